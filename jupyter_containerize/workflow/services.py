"""Inference images in motion: started, proven by what they answer, followed."""

from __future__ import annotations

import dataclasses
import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

from ..errors import ContainerizeError
from ..model.event import Emit, LogLine
from ..model.image import Image
from ..model.options import RunOptions
from ..model.plan import ARTIFACT_FOLDER, SERVICE_PORT
from ..model.run import Limits, Port, Restart, Run
from ..model.verdict import CellOutcome, CellVerdict, Verdict, VerdictState
from ..oci.store import Store
from ..proof import answers
from . import clusters, deploying
from .choices import runtime_named
from .records import file_in_image, put_verdict
from .running import run_image
from .steps import step

#: Importing a framework from a cold disk takes a while; the run may be much slower than here.
_READY_S = 300.0
_ANSWER_S = 60.0
_POLL_S = 0.05
_LOG_SHOWN = 2000


def prove(
    image: Image, options: RunOptions, *, runtime: str, store: Store, emit: Emit
) -> tuple[Run, Verdict]:
    """Start `image` without network, ask it all its questions, stop it, and keep the verdict."""
    artifact = _document(store, image, "artifact.json")
    questions = _document(store, image, "examples.json")
    alone = dataclasses.replace(options, network=False, ports=(Port(0, SERVICE_PORT),))
    if runtime == clusters.KUBERNETES:
        # An image is proven on this machine before it goes to a cluster: limits are for there.
        runtime, alone = "", dataclasses.replace(alone, limits=Limits(), gpus="")
    chosen = runtime_named(runtime)
    with step(emit, "verify", "Asking the image what the kernel was asked") as summary:
        started = run_image(image, alone, runtime=runtime, store=store, emit=_quiet, detach=True)
        try:
            began = time.monotonic()
            _wait_until_ready(started, store)
            ready_s = time.monotonic() - began
            told = tuple(
                _verdict_on(started.endpoint, number, question, artifact)
                for number, question in enumerate(questions, 1)
            )
            reason = f"{len(told)} answers as in the kernel, ready after {ready_s:.1f} s"
        except ContainerizeError as error:
            told, reason = (), f"{error.what} {error.why}".strip()
        finally:
            ended = chosen.stop(started.id, store=store)
        verdict = _judged(told, reason, image=image, run=ended, artifact=artifact)
        put_verdict(store, verdict)
        summary.ok = verdict.state is not VerdictState.FAILED
        summary.text = f"{verdict.state.value}. {verdict.reason}"
    return ended, verdict


def follow(
    image: Image,
    options: RunOptions,
    *,
    runtime: str,
    detach: bool,
    store: Store,
    emit: Emit,
) -> Run:
    """Run the service, say where it is and how to ask it, and follow its log until it ends.

    Without a port in `options` any free one of this machine leads to it. A Docker engine starts a
    service that nobody follows again if it fails, unless `options` say otherwise.
    """
    artifact = _document(store, image, "artifact.json")
    if runtime == clusters.KUBERNETES:
        port = next((one.host for one in options.ports), 0)
        return deploying.serve(image, options, port=port, detach=detach, store=store, emit=emit)
    chosen = runtime_named(runtime)
    again = Restart.ON_FAILURE if detach and chosen.name == "docker" else None
    open_ = dataclasses.replace(
        options,
        ports=options.ports or (Port(0, SERVICE_PORT),),
        restart=options.restart or again,
    )
    with step(
        emit, "run", f"Starting {image.names[0] if image.names else image.digest}"
    ) as summary:
        started = run_image(image, open_, runtime=runtime, store=store, emit=_quiet, detach=True)
        try:
            _wait_until_ready(started, store)
        except BaseException:
            chosen.stop(started.id, store=store)
            raise
        summary.text = f"run {started.id} answers at {started.endpoint}"
    emit(LogLine(f"{started.endpoint}\n{curl_line(started.endpoint, artifact)}\n"))
    if detach:
        return chosen.get(started.id, store=store)
    try:
        for text in chosen.logs(started.id, store=store, follow=True):
            emit(LogLine(text))
    except KeyboardInterrupt:
        return chosen.stop(started.id, store=store)
    return chosen.wait(started.id, store=store)


def curl_line(endpoint: str, artifact: dict[str, Any]) -> str:
    """Return a line for a shell that asks the service for its example."""
    body = json.dumps(artifact["example"]).replace("'", "'\\''")
    return f"curl -s {endpoint}/predict -H 'Content-Type: application/json' -d '{body}'"


def ask(endpoint: str, body: Any) -> Any:
    """Return the answer to a POST of `body` to /predict, `{"error": ...}` if it is refused."""
    request = urllib.request.Request(  # noqa: S310 - our own loopback endpoint
        f"{endpoint}/predict",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with _OPENER.open(request, timeout=_ANSWER_S) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return {
            "error": f"HTTP {error.code}: {error.read()[:_LOG_SHOWN].decode('utf-8', 'replace')}"
        }
    except _NO_ANSWER as error:
        return {"error": f"{type(error).__name__}: {error}"}


def get(url: str, *, timeout_s: float) -> tuple[int, bytes]:
    """Return status and body of a GET, status 0 where nobody answers."""
    try:
        with _OPENER.open(url, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except _NO_ANSWER:
        return 0, b""


#: Where nobody listens yet, a connection may even reach itself, and read its own question.
_NO_ANSWER = (OSError, ValueError, http.client.HTTPException)
#: Loopback needs no proxy, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _wait_until_ready(run: Run, store: Store) -> None:
    """Return once the service is ready. Errors: `service-not-ready`."""
    runtime = runtime_named(run.runtime)
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        status, _ = get(f"{run.endpoint}/v2/health/ready", timeout_s=2.0)
        if status == 200:  # noqa: PLR2004 - HTTP's OK
            return
        now = runtime.get(run.id, store=store)
        if now.state.final:
            said = "".join(runtime.logs(run.id, store=store))[-_LOG_SHOWN:].strip()
            raise ContainerizeError(
                "service-not-ready",
                what=f"The service ended before it was ready (exit code {now.exit_code}).",
                why=said or now.reason,
                fix=f"Its log: jupyter containerize logs {run.id}",
            )
        time.sleep(_POLL_S)
    raise ContainerizeError(
        "service-not-ready",
        what=f"The service was not ready after {_READY_S:.0f} seconds.",
        fix=f"Its log: jupyter containerize logs {run.id}",
    )


def _verdict_on(endpoint: str, number: int, question: Any, artifact: dict[str, Any]) -> CellVerdict:
    answer = ask(endpoint, question["body"])
    told = answers.difference(
        question["answer"],
        answer,
        outputs=artifact["signature"]["outputs"],
        tolerance=artifact["tolerance"],
    )
    return CellVerdict(
        id=f"question-{number}",
        number=number,
        outcome=CellOutcome.DIFFERENT if told else CellOutcome.EQUAL,
        expected=json.dumps(question["answer"])[:_LOG_SHOWN] if told else "",
        actual=json.dumps(answer)[:_LOG_SHOWN] if told else "",
        detail=told,
    )


def _judged(
    told: tuple[CellVerdict, ...], reason: str, *, image: Image, run: Run, artifact: dict[str, Any]
) -> Verdict:
    bad = sum(one.outcome is not CellOutcome.EQUAL for one in told)
    state = VerdictState.FAILED if bad or not told else VerdictState.VERIFIED
    if bad:
        reason = f"{bad} of {len(told)} answers differ from the kernel's."
    return Verdict(
        state=state,
        image=image.digest,
        run=run.id,
        cells=told,
        rtol=artifact["tolerance"].get("rtol", 0.0),
        reason=reason,
    )


def _document(store: Store, image: Image, name: str) -> Any:
    data = file_in_image(store, image, f"{ARTIFACT_FOLDER}/{name}")
    if data is None:
        raise ContainerizeError(
            "not-an-inference-image",
            what="This image serves nothing.",
            why=f"It holds no {ARTIFACT_FOLDER}/{name}.",
            fix="Make one: jupyter containerize serve NOTEBOOK --object NAME",
        )
    return json.loads(data)


def _quiet(_: object) -> None:
    """Drop the steps of a run that is part of another step."""
