"""Who asks: a machine's token wherever one is taken, an owner's session for what belongs to a person.

The hub is asked for its first owner once, at the start; `cargo xtask api-fuzz` says where it listens.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import time
import urllib.request

import schemathesis

URL = os.environ["HUBD_URL"]
TOKEN = os.environ["HUBD_TOKEN"]
# These end the session that asks, so they are asked by somebody without one.
ENDINGS = {("DELETE", "/api/v1/session"), ("DELETE", "/api/v1/sessions/{id}")}


def call(method, path, body=None, cookie=""):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Cookie": cookie}
    request = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply), (reply.headers.get("Set-Cookie") or "").split(";")[0]


def authenticator(secret):
    """The six digits that an authenticator with this secret shows now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    start = mac[-1] & 15
    return str((struct.unpack(">I", mac[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000).zfill(6)


def owner():
    """The cookie of the first owner."""
    first = {"code": os.environ["HUBD_SETUP"], "name": "Robin", "password": "kettle orbit mango lantern"}
    _, cookie = call("POST", "/api/v1/setup", first)
    enrolment, _ = call("POST", "/api/v1/account/totp", cookie=cookie)
    call("PUT", "/api/v1/account/totp", {"code": authenticator(enrolment["secret"])}, cookie)
    return cookie


COOKIE = owner()


# Who may ask for an operation, by its id.
TAKES = {}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Keeps who may ask to itself: otherwise cases are made without a token, which this file then adds."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            TAKES[operation["operationId"]] = {name for one in operation.pop("security", []) for name in one}
    raw_schema.get("components", {}).pop("securitySchemes", None)


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation
    takes = TAKES[operation.definition.raw["operationId"]]
    headers = {name: value for name, value in (case.headers or {}).items() if name.lower() not in ("authorization", "cookie")}
    if "token" in takes:
        headers["Authorization"] = f"Bearer {TOKEN}"
    elif takes and (operation.method.upper(), operation.path) not in ENDINGS:
        headers["Cookie"] = COOKIE
    case.headers = headers
