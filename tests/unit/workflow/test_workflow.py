from __future__ import annotations

import pytest

from jupyter_containerize import workflow
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import Failed, Result, ignore
from jupyter_containerize.model.reasons import Finding, Severity
from jupyter_containerize.model.request import REQUESTS, BuildRequest, StoreRequest
from jupyter_containerize.workflow import building


def test_every_request_has_a_function():
    assert workflow._MODULES.keys() == REQUESTS.keys()


def test_conclude_returns_the_last_event(tmp_path):
    event = workflow.conclude("ls", StoreRequest(str(tmp_path / "s")), emit=ignore)
    assert isinstance(event, Result)
    assert event.data["images"] == []


def test_errors_become_the_last_event():
    event = workflow.conclude("build", BuildRequest(notebook="/no.ipynb"), emit=ignore)
    assert isinstance(event, Failed)
    assert event.error["code"] == "no-such-notebook"


def test_a_mistake_of_ours_is_an_error_with_a_report(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("jupyter_containerize.workflow.images.ls", broken)
    event = workflow.conclude("ls", StoreRequest(), emit=ignore)
    assert event.error["code"] == "internal-error"
    assert "ZeroDivisionError: oh" in event.error["why"]
    report = event.error["fix"].rpartition(" ")[2]
    with open(report) as file:
        assert "in broken" in file.read()


def test_an_interrupt_is_an_error_too(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("jupyter_containerize.workflow.images.ls", interrupted)
    assert workflow.conclude("ls", StoreRequest(), emit=ignore).error["code"] == "interrupted"


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
def test_other_systems_are_told_before_work_begins(monkeypatch, system):
    monkeypatch.setattr("platform.system", lambda: system)
    event = workflow.conclude("build", BuildRequest(notebook="/no.ipynb"), emit=ignore)
    assert event.error["code"] == "system-not-supported"
    assert "WSL 2" in event.error["fix"]


def test_on_macos_lists_work(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert isinstance(workflow.conclude("ls", StoreRequest(str(tmp_path)), emit=ignore), Result)


def test_all_blocking_findings_are_raised_together():
    found = (
        Finding("secret-token", Severity.BLOCKING, "A token.", fix="Out with it.", cell=2, line=3),
        Finding("odd", Severity.WARNING, "It is odd."),
        Finding("secret-key", Severity.BLOCKING, "A key.", path="/x.py", line=1),
    )
    with pytest.raises(ContainerizeError) as caught:
        building.refuse_blocking(found)
    assert caught.value.code == "secret-token"
    assert caught.value.what == "Cell 2, line 3: A token."
    assert [other.what for other in caught.value.also] == ["/x.py, line 1: A key."]
    building.refuse_blocking(found[1:2])


@pytest.mark.parametrize(
    ("epoch", "date"),
    [
        (None, "1970-01-01T00:00:00Z"),
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
    ],
)
def test_the_creation_date_follows_source_date_epoch(monkeypatch, epoch, date):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if epoch is not None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert building.creation_date() == date


@pytest.mark.parametrize("text", ["", "now", "1.5", "9" * 30])
def test_what_is_not_a_date(monkeypatch, text):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(ContainerizeError) as caught:
        building.creation_date()
    assert caught.value.code == "bad-source-date-epoch"


def test_the_guest_s_files_are_read_without_compiled_ones():
    files = building.guest_files()
    assert "train.py" in files
    assert all(name.endswith(".py") for name in files)
