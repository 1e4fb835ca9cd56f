"""What schemathesis is told about Iroko: real ids to ask for, and that nothing of another tenant may show.

IROKO_FUZZ names a file: {"own": {parameter: id}, "foreign": {parameter: id}, "secrets": [text]}.
"""

import json
import os
import zlib

import schemathesis

with open(os.environ["IROKO_FUZZ"], encoding="utf-8") as known:
    KNOWN = json.load(known)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Most generated ids name nothing: puts the caller's own in their place, or another tenant's.

    Chosen by what was generated, so that a seed repeats a run.
    """
    if not path_parameters:
        return path_parameters
    lot = zlib.crc32(repr(sorted(path_parameters.items())).encode()) % 8
    if lot == 0:
        return path_parameters
    ids = KNOWN["foreign" if lot == 1 else "own"]
    chosen = dict(path_parameters)
    for name in chosen:
        # One of the caller's with one of another's: the project is theirs, the network is not.
        source = KNOWN["foreign"] if lot == 2 and name != "project_id" else ids
        if name in source:
            chosen[name] = source[name]
    return chosen


@schemathesis.hook
def map_query(context, query):
    """The ground under the test is not purged."""
    if query and "purge" in query:
        query = {name: value for name, value in query.items() if name != "purge"}
    return query


@schemathesis.hook
def map_body(context, body):
    """Nor does the test take away its own room and rate."""
    limits = body.get("limits") if isinstance(body, dict) else None
    if isinstance(limits, dict):
        large = {name: most for name, most in limits.items() if not isinstance(most, int) or most >= 1_000_000}
        body = {**body, "limits": large}
    return body


@schemathesis.check
def reveals_no_other_tenant(ctx, response, case):
    """No answer has an id or a name of another tenant that the request did not have."""
    request = response.request
    sent = " ".join(str(part) for part in (request.url, request.body, request.headers))
    for secret in KNOWN["secrets"]:
        if secret in response.text and secret not in sent:
            raise AssertionError(f"the answer shows {secret}, which is another tenant's")
