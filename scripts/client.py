#!/usr/bin/env python3
"""Reads all that a control plane has to read, with the client in `generated`: see client.sh.

Each endpoint that is read with GET is asked once with the code that was generated for it, and a
service's endpoints once for each service. Every answer has to be the one that the document
promises: it is read into the generated model, has nothing in it that the model does not know, and
written out again it is the same. Ends with 1 if that is not so, or if an endpoint was left out.
"""

import datetime
import importlib
import json
import re
import sys
import time

import attrs
import generated
from generated import models

# Which model the data of a stream's messages is; the document has no word for it.
MESSAGES = {"event_stream": "Event", "log_stream": "LogRecord", "service_log_stream": "LogRecord"}

# How long to wait for a service to be as it should, in seconds.
PATIENCE = 20


def module(operation):
    tag = operation["tags"][0].replace(" ", "_")
    return importlib.import_module(f"generated.api.{tag}.{operation['operationId']}")


def is_time(text):
    return isinstance(text, str) and re.match(r"^\d{4}-\d\d-\d\dT", text)


def plain(value):
    """Returns JSON in which times that are the same are written the same."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return datetime.datetime.fromisoformat(value) if is_time(value) else value


def unknown(value, place):
    """Lists what a model was given and does not know."""
    if isinstance(value, list):
        return [found for at, inner in enumerate(value) for found in unknown(inner, f"{place}[{at}]")]
    if not attrs.has(type(value)):
        return []
    names = [field.name for field in attrs.fields(type(value))]
    rest = getattr(value, "additional_properties", {})
    # A model of nothing else is a map.
    found = [f"{place}.{key}" for key in rest] if names != ["additional_properties"] else []
    for name in names:
        found += unknown(getattr(value, name), f"{place}.{name}")
    return found


def check_model(what, parsed, sent):
    assert parsed is not None, f"{what}: the answer is read as nothing"
    assert not isinstance(parsed, models.Problem), f"{what}: {parsed}"
    if isinstance(parsed, str) or not hasattr(parsed, "to_dict"):
        return type(parsed).__name__
    assert not unknown(parsed, ""), f"{what}: not in the model: {unknown(parsed, '')}"
    assert plain(parsed.to_dict()) == plain(sent), f"{what}: {parsed.to_dict()} of {sent}"
    return type(parsed).__name__


def read(client, operation, arguments):
    """Asks once with the generated function; says what came."""
    what = f"{operation['operationId']} {arguments}"
    answer = module(operation).sync_detailed(client=client, **arguments)
    assert answer.status_code == 200, f"{what}: {answer.status_code} {answer.content[:500]}"
    promised = operation["responses"]["200"].get("content")
    if not promised:
        return f"{len(answer.content)} bytes of a service's own"
    is_json = "application/json" in promised
    return check_model(what, answer.parsed, json.loads(answer.content) if is_json else None)


def hear(client, operation, arguments):
    """Opens a stream as the generated function would, and reads its first message."""
    kwargs = module(operation)._get_kwargs(after=0, **arguments)
    with client.get_httpx_client().stream(**kwargs) as answer:
        assert answer.status_code == 200, f"{operation['operationId']}: {answer.status_code}"
        for line in answer.iter_lines():
            if line.startswith("data:"):
                sent = json.loads(line.removeprefix("data:"))
                model = getattr(models, MESSAGES[operation["operationId"]])
                name = check_model(operation["operationId"], model.from_dict(sent), sent)
                return f"a stream, its first message {name}"
    raise AssertionError(f"{operation['operationId']} {arguments}: it ended without a message")


def command(client, document):
    """Restarts a service, also with generated code, and returns the operation that it was."""
    restart = module(document["paths"]["/services/{name}/restart"]["post"])
    body = models.CommandBody(reason="the generated client tries it")
    answer = restart.sync_detailed(client=client, name="fast", body=body)
    check_model("restart", answer.parsed, json.loads(answer.content))
    return answer.parsed.operation


def settle(client, startup):
    begun = time.monotonic()
    while module(startup).sync_detailed(client=client).status_code != 200:
        assert time.monotonic() - begun < PATIENCE, "it does not settle"
        time.sleep(0.1)


def become_ready(client, document):
    """Until nobody wants what is broken on purpose, the probe answers a problem that says who."""
    ready = module(document["paths"]["/health/ready"]["get"])
    stop = module(document["paths"]["/services/{name}/stop"]["post"])
    parsed = ready.sync(client=client)
    assert parsed.code == "not-ready" and parsed.unready, parsed
    for name in ["waits", "bad"]:
        stop.sync_detailed(client=client, name=name, body=models.CommandBody())
    assert isinstance(ready.sync(client=client), models.Probe), "it is ready"


def problems(url, client, document):
    """What goes wrong is read into the model of problems."""
    service = module(document["paths"]["/services/{name}"]["get"])
    parsed = service.sync(client=client, name="nobody")
    assert parsed.code == "unknown-service", parsed
    events = module(document["paths"]["/events"]["get"])
    wrong = generated.AuthenticatedClient(base_url=url, token="a-wrong-token-of-some-length")
    assert events.sync(client=wrong).code == "unauthenticated"


def operations(document):
    for path, item in document["paths"].items():
        if "get" in item:
            yield path, item["get"]


def main(url, token):
    client = generated.AuthenticatedClient(base_url=url, token=token, timeout=20)
    document = client.get_httpx_client().get("/openapi.json").json()
    settle(client, document["paths"]["/health/startup"]["get"])
    number = command(client, document)
    become_ready(client, document)
    services = [one.name for one in module(document["paths"]["/services"]["get"]).sync(client=client).services]
    left_out = []
    for path, operation in operations(document):
        names = [parameter["name"] for parameter in operation.get("parameters", [])]
        required = [one["name"] for one in operation.get("parameters", []) if one["required"]]
        is_stream = "text/event-stream" in operation["responses"]["200"].get("content", {})
        arguments = {"name": "fast", "path": "status", "id": number}
        arguments = {name: arguments[name] for name in required if name in arguments}
        if set(required) != set(arguments):
            left_out.append(f"{path}: what is {set(required) - set(arguments)}?")
            continue
        if is_stream:
            told = hear(client, operation, arguments)
        else:
            every = services if "name" in names and "path" not in names else [None]
            for service in every:
                if service:
                    arguments["name"] = service
                told = read(client, operation, arguments)
        print(f"    GET {path} -> {told}")
    problems(url, client, document)
    count = len(list(operations(document)))
    assert not left_out, f"not read: {left_out}"
    print(f"    {count} endpoints read with the generated client")


main(*sys.argv[1:])
