"""What belongs to an image: attached by the API or by the tag, by two writers at once."""

from __future__ import annotations

import json
import threading
import uuid

import pytest

from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci.image import INDEX_TYPE
from jupyter_containerize.oci.registry import inspect, push
from jupyter_containerize.oci.registry.referrers import (
    SBOM_TYPE,
    VERDICT_TYPE,
    Attachment,
    attach,
    listed,
    newest,
)
from jupyter_containerize.oci.registry.repository import Repository
from jupyter_containerize.oci.store import Store

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def pushed(registry, tiny_images, tmp_path):
    """A pushed image: its repository and its manifest."""
    store = Store.open(str(tmp_path / "store"))
    reference = Reference.parse(f"{registry.url}/{uuid.uuid4().hex[:8]}/image:1")
    push(tiny_images.image(store), reference, store=store)
    repository = Repository.open(reference, write=True)
    return reference, repository, repository.manifest("1")


def verdict(state, created):
    return Attachment(VERDICT_TYPE, json.dumps({"state": state}).encode(), created)


def test_debians_registry_keeps_them_by_the_tag(pushed, registry):
    reference, repository, subject = pushed
    status, _ = registry.get(f"/v2/{reference.repository}/referrers/{subject.digest}")
    assert status == 404, "this registry has no referrers API: that is why it is tested"
    attach(repository, subject, Attachment(SBOM_TYPE, b'{"components": []}'))
    attach(repository, subject, verdict("failed", "2026-01-01T00:00:00Z"))
    attach(repository, subject, verdict("verified", "2026-01-02T00:00:00Z"))
    tag = subject.digest.replace(":", "-")
    status, body = registry.get(f"/v2/{reference.repository}/manifests/{tag}", INDEX_TYPE)
    assert status == 200
    assert len(json.loads(body)["manifests"]) == 3
    found = listed(repository, subject.digest)
    assert json.loads(newest(repository, found, VERDICT_TYPE)) == {"state": "verified"}
    _, (told,) = inspect(reference)
    assert told.verdict == {"state": "verified"}
    assert told.sbom == {"components": []}


def test_the_same_document_is_there_once(pushed):
    _, repository, subject = pushed
    for _ in range(2):
        attach(repository, subject, Attachment(SBOM_TYPE, b"{}"))
    assert len(listed(repository, subject.digest)) == 1


def test_two_writers_at_once_lose_nothing(pushed):
    reference, _, subject = pushed
    problems, start = [], threading.Barrier(4)

    def write(number):
        try:
            own = Repository.open(reference, write=True)
            start.wait()
            attach(own, subject, verdict(f"writer {number}", f"2026-01-0{number + 1}T00:00:00Z"))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            problems.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert problems == []
    assert len(listed(pushed[1], subject.digest)) == 4


def test_a_registry_with_the_api_gets_no_tag(pushed, registry, registries):
    """A proxy that answers as the specification wants: OCI-Subject, and the API."""
    reference, _, subject = pushed
    kept = []
    with registries.Proxy(registry) as proxy:

        def fault(request):
            if request.method == "PUT" and "/manifests/sha256:" in request.path:
                kept.append(request.path.rpartition("/")[2])
                return 201, {"OCI-Subject": subject.digest}, b""
            if "/referrers/" in request.path:
                entries = [{"digest": one, "artifactType": SBOM_TYPE} for one in kept]
                return (
                    200,
                    {"Content-Type": INDEX_TYPE},
                    json.dumps({"manifests": entries}).encode(),
                )
            return None

        proxy.fault = fault
        there = Reference.parse(f"{proxy.url}/{reference.repository}:1")
        repository = Repository.open(there, write=True)
        digest = attach(repository, subject, Attachment(SBOM_TYPE, b"{}"))
        assert [one["digest"] for one in listed(repository, subject.digest)] == [digest]
    status, _ = registry.get(
        f"/v2/{reference.repository}/manifests/{subject.digest.replace(':', '-')}", INDEX_TYPE
    )
    assert status == 404
