# What no client of good will sends, and what kube-apiserver answers: certificates, tokens, requests, HTTP/1.1
# and HTTP/2 as bytes on a TLS socket. bad_input.py FOLDER PORT SECTION; prints ok, or what was otherwise.
import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

folder, port, section = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ISSUER = "https://kubernetes.default.svc"
MAPS = "/api/v1/namespaces/default/configmaps"
problems = []


def path(name):
    return os.path.join(folder, name)


def check(what, holds, seen):
    if not holds:
        problems.append(f"{what}: {seen!r}"[:600])


def run(*line):
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{line}: {done.stderr}")
    return done.stdout


def connect(certificate=None, alpn="http/1.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    if certificate:
        context.load_cert_chain(path(certificate + ".crt"), path(certificate + ".key"))
    plain = socket.create_connection(("127.0.0.1", port), timeout=60)
    return context.wrap_socket(plain)


def receive(connection):
    """All that comes until the server closes."""
    heard = b""
    try:
        while piece := connection.recv(65536):
            heard += piece
    except (ConnectionResetError, ssl.SSLError):
        pass
    return heard


def raw(request, certificate=None):
    """One HTTP/1.1 exchange of bytes: status, head, body."""
    with connect(certificate) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # refused before its end
        answer = receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, head.decode(), body


def call(method, target, body=b"", headers=None, certificate=None, token=None):
    fields = {"Host": "a", "Connection": "close", "Accept": "application/json"}
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    if token is not None:
        fields["Authorization"] = "Bearer " + token
    fields |= headers or {}
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
    return raw(head.encode() + b"\r\n" + (body if isinstance(body, bytes) else body.encode()), certificate)


def admin(method, target, body=b"", headers=None):
    return call(method, target, body, headers, token="admin-token")


def expect(what, answer, status, reason, words=""):
    """A Status of that code and reason whose message has the words."""
    code, head, body = answer
    try:
        told = json.loads(body)
    except ValueError:
        check(what, False, (code, head, body))
        return
    seen = (code, told.get("kind"), told.get("code"), told.get("reason", ""), told.get("message", ""))
    check(what, seen[:4] == (status, "Status", status, reason) and words in seen[4], seen)


def expect_unauthorized(what, answer):
    expect(what, answer, 401, "Unauthorized", "Unauthorized")


def names():
    return sorted(m["metadata"]["name"] for m in json.loads(admin("GET", MAPS)[2])["items"])


# Certificates.


def issue(name, subject, days=2, usage="clientAuth", ca="ca"):
    with open(path("ext"), "w") as extensions:
        extensions.write(f"extendedKeyUsage={usage}\n" if usage else "")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
        "-keyout", path(name + ".key"), "-out", path("csr"))
    run("openssl", "x509", "-req", "-in", path("csr"), "-CA", path(ca + ".crt"), "-CAkey", path(ca + ".key"),
        "-days", str(days), "-extfile", path("ext"), "-out", path(name + ".crt"))


def certificates():
    issue("good", "/O=system:masters/CN=carol")
    check("a good certificate", call("GET", MAPS, certificate="good")[0] == 200, call("GET", MAPS, certificate="good"))

    issue("expired", "/O=system:masters/CN=carol", days=-1)
    issue("server", "/O=system:masters/CN=carol", usage="serverAuth")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
        "/CN=clients", "-days", "2", "-keyout", path("other.key"), "-out", path("other.crt"))
    issue("stranger", "/O=system:masters/CN=carol", ca="other")
    # One whose signature is not its CA's.
    der = bytearray(ssl.PEM_cert_to_DER_cert(open(path("good.crt")).read()))
    der[-1] ^= 1
    open(path("forged.crt"), "w").write(ssl.DER_cert_to_PEM_cert(bytes(der)))
    open(path("forged.key"), "w").write(open(path("good.key")).read())
    for name in ("expired", "server", "stranger", "forged"):
        expect_unauthorized(name, call("GET", MAPS, certificate=name))
        expect_unauthorized(name + " to a path that is open", call("GET", "/version", certificate=name))
        answer = call("GET", MAPS, certificate=name, token="admin-token")
        check(name + " beside a good token", answer[0] == 200, answer)

    issue("nameless", "/O=system:masters")
    expect("without a common name", call("GET", MAPS, certificate="nameless"), 403, "Forbidden",
           'User "system:anonymous" cannot list resource "configmaps"')
    issue("unknown", "/CN=nobody")
    expect("of nobody", call("GET", MAPS, certificate="unknown"), 403, "Forbidden",
           'User "nobody" cannot list resource "configmaps" in API group "" in the namespace "default"')

    # A plain request, and noise instead of a handshake.
    for noise in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", os.urandom(512), b"\x16\x03\x01\xff\xff"):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            heard = b""
            with contextlib.suppress(OSError):  # it may have hung up already
                plain.sendall(noise)
                plain.shutdown(socket.SHUT_WR)
                heard = receive(plain)
        check("noise for a handshake", b"200" not in heard and len(heard) < 200, heard)


# Tokens.


def b64(value):
    raw_bytes = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw_bytes).rstrip(b"=").decode()


def signed(claims, key="sa.key", header=None):
    text = b64({"alg": "RS256", "typ": "JWT"} | (header or {})) + "." + b64(claims)
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", path(key)], input=text.encode(), capture_output=True)
    return text + "." + b64(done.stdout)


def tokens():
    made = json.loads(admin("POST", "/api/v1/namespaces/default/serviceaccounts", '{"metadata":{"name":"robot"}}')[2])
    uid = made["metadata"]["uid"]
    target = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    request = lambda spec: json.loads(admin("POST", target, json.dumps({"spec": spec}))[2])["status"]["token"]
    good = request({})
    forbidden = 'User "system:serviceaccount:default:robot" cannot list resource "configmaps"'
    expect("a good token", call("GET", MAPS, token=good), 403, "Forbidden", forbidden)

    now = int(time.time())
    claims = {"iss": ISSUER, "aud": [ISSUER], "sub": "system:serviceaccount:default:robot", "iat": now, "nbf": now,
              "exp": now + 600, "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot", "uid": uid}}}
    expect("one that was signed here", call("GET", MAPS, token=signed(claims)), 403, "Forbidden", forbidden)
    head, payload, signature = good.split(".")
    unsigned = b64({"alg": "none"}) + "." + b64(claims) + "."
    secret = open(path("sa.pub"), "rb").read()
    text = b64({"alg": "HS256", "typ": "JWT"}) + "." + b64(claims)
    hs256 = text + "." + b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())
    run("openssl", "genrsa", "-out", path("thief.key"), "2048")
    bad = {
        "no JWT": "abc",
        "dots": "...",
        "three parts of nonsense": "a.b.c",
        "no base64": "!!.??.##",
        "algorithm none": unsigned,
        "HS256 with the public key": hs256,
        "a signature that was cut": f"{head}.{payload}.{signature[:-8]}",
        "no signature": f"{head}.{payload}.",
        "another payload": f"{head}.{b64(claims | {'sub': 'system:admin'})}.{signature}",
        "another key": signed(claims, "thief.key"),
        "another issuer": signed(claims | {"iss": "https://elsewhere"}),
        "expired": signed(claims | {"iat": now - 1200, "nbf": now - 1200, "exp": now - 600}),
        "not yet": signed(claims | {"nbf": now + 3600, "exp": now + 7200}),
        "another audience": request({"audiences": ["vault"]}),
        "an account that there is not": signed(
            claims | {"sub": "system:serviceaccount:default:none",
                      "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "none", "uid": uid}}}),
        "an earlier account of that name": signed(
            claims | {"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot", "uid": "other"}}}),
        "claims that are no object": signed([1, 2]),
        "claims of other types": signed(claims | {"exp": "soon", "kubernetes.io": 1}),
        "a large one": "a" * 40000,
        "an unknown bootstrap token": "abcdef.0123456789abcdef",
        "half a bootstrap token": "abcdef.0123",
    }
    for what, token in bad.items():
        expect_unauthorized(what, call("GET", MAPS, token=token))

    pod = {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "x"}]}}
    answer = admin("POST", "/api/v1/namespaces/default/pods", json.dumps(pod))
    check("the pod", answer[0] == 201, answer)
    bound = request({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}})
    expect("bound to a pod", call("GET", MAPS, token=bound), 403, "Forbidden", forbidden)
    admin("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0")
    expect_unauthorized("bound to a pod that has gone", call("GET", MAPS, token=bound))
    admin("DELETE", "/api/v1/namespaces/default/serviceaccounts/robot")
    expect_unauthorized("of an account that has gone", call("GET", MAPS, token=good))

    # What is no bearer token is no credential.
    for what, value in (("Basic", "Basic YTpi"), ("an empty token", "Bearer "), ("no scheme", "x")):
        expect(what, call("GET", MAPS, headers={"Authorization": value}), 403, "Forbidden", 'User "system:anonymous"')


# Requests.


def crd():
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}}


def requests():
    before = names()
    good = '{"metadata":{"name":"a"}}'
    three_mb = json.dumps({"metadata": {"name": "a"}, "data": {"k": "x" * 3_200_000}})
    kinds = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    cases = [
        ("a large request", "POST", MAPS, three_mb, {}, 413, "RequestEntityTooLarge",
         "Request entity too large: limit is 3145728"),
        ("a type that there is not", "POST", MAPS, good, {"Content-Type": "text/plain"}, 415, "UnsupportedMediaType",
         "the body of the request was in an unknown format - accepted media types include: " + kinds),
        ("a form", "POST", MAPS, "a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415,
         "UnsupportedMediaType", "the body of the request was in an unknown format"),
        ("an answer in HTML", "GET", MAPS, "", {"Accept": "text/html"}, 406, "NotAcceptable",
         "only the following media types are accepted: " + kinds),
        ("a label selector", "GET", MAPS + "?labelSelector=a%20in%20b", "", {}, 400, "BadRequest", "unable to parse requirement"),
        ("a field selector", "GET", MAPS + "?fieldSelector=x%3Dy", "", {}, 400, "BadRequest", '"x" is not a known field selector'),
        ("a limit", "GET", MAPS + "?limit=many", "", {}, 400, "BadRequest", 'strconv.ParseInt: parsing "many": invalid syntax'),
        ("a continue token", "GET", MAPS + "?continue=x", "", {}, 400, "BadRequest", "continue key is not valid"),
        ("a timeout", "GET", MAPS + "?timeoutSeconds=x", "", {}, 400, "BadRequest", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("a dry run", "POST", MAPS + "?dryRun=yes", good, {}, 422, "Invalid", 'dryRun: Unsupported value: "yes"'),
        ("half an object", "POST", MAPS, '{"metadata":{"name":"a"', {}, 400, "BadRequest", "unexpected end of JSON input"),
        ("bytes that are no UTF-8", "POST", MAPS, b'{"metadata":{"name":"\xff\xfe"}}', {}, 422, "Invalid", "metadata.name"),
        ("a kind of another group", "POST", MAPS, '{"kind":"Deployment","apiVersion":"apps/v1"}', {}, 400, "BadRequest",
         "cannot be handled as a ConfigMap"),
        ("a method that there is not", "BREW", MAPS, "", {}, 405, "MethodNotAllowed", ""),
        ("a resource that there is not", "GET", "/api/v1/nothings", "", {}, 404, "NotFound",
         "the server could not find the requested resource"),
        ("impersonation without a name", "GET", MAPS, "", {"Impersonate-Group": "x"}, 500, "InternalError",
         "without impersonating a user"),
    ]
    for what, method, target, body, headers, status, reason, words in cases:
        expect(what, admin(method, target, body, headers), status, reason, words)
    check("nothing was stored", names() == before, names())
    # All but "false" and "0" is true.
    answer = admin("GET", MAPS + "?watch=maybe&timeoutSeconds=1")
    check("a boolean", answer[0] == 200 and b"ConfigMapList" not in answer[2], answer)

    # More than a request of the store holds, in a kind that has no bound of its own.
    answer = admin("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json.dumps(crd()))
    check("the definition", answer[0] == 201, answer)
    things = "/apis/example.com/v1/namespaces/default/things"
    for _ in range(600):
        if admin("GET", things)[0] == 200:
            break
        time.sleep(0.1)
    large = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "data": "x" * 1_700_000}
    answer = admin("POST", things, json.dumps(large))
    expect("an object over 1.5 MB", answer, 500, "", "etcdserver: request is too large")
    check("nothing of it was stored", json.loads(admin("GET", things)[2])["items"] == [], admin("GET", things))


# HTTP/1.1.


def http1():
    before = names()
    auth = b"Authorization: Bearer admin-token\r\n"
    post = b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + auth
    refused = {
        "nonsense": b"nonsense\r\n\r\n",
        "no version": b"GET /\r\n\r\n",
        "a version that there is not": b"GET / HTTP/9.9\r\n\r\n",
        "no host": b"GET /version HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "a blank in a name": b"GET /version HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n",
        "a folded line": b"GET /version HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "a length that is none": post + b"Content-Length: 1x\r\n\r\n",
        "a negative length": post + b"Content-Length: -1\r\n\r\n",
        "two lengths": post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "length and chunks": post + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a null": b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    }
    for what, request in refused.items():
        status, head, _ = raw(request)
        check(what, status == 400 and "Connection: close" in head, (status, head))
    status, head, _ = raw(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"x" * 1_200_000 + b"\r\n\r\n")
    check("a head over 1 MB", status == 431, (status, head))
    status, _, _ = raw(b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + auth + b"X: " + b"x" * 500_000 + b"\r\n\r\n")
    check("a head of 500 KB", status == 200, status)
    status, _, _ = raw(b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + auth + b"".join(
        b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n")
    check("many fields", status == 200, status)

    chunked = post + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    body = b'{"metadata":{"name":"chunked"}}'
    for what, broken in {
        "a chunk size that is none": chunked + b"zz\r\n" + body,
        "a chunk longer than it says": chunked + b"5\r\n" + body + b"\r\n0\r\n\r\n",
        "an endless chunk size": chunked + b"f" * 40 + b"\r\n" + body,
    }.items():
        status, head, told = raw(broken)
        check(what, status == 500 and b'"kind":"Status"' in told and b"chunk" in told, (status, head, told))
    status, head, told = raw(chunked + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
    check("proper chunks", status == 201, (status, head, told))
    # Its client stops in the middle and goes.
    for half in (chunked + b"1f\r\n" + body[:10], post + b"Content-Length: 40\r\n\r\n" + body[:20]):
        with connect() as connection:
            connection.sendall(half)
    check("only whole bodies are stored", names() == sorted(before + ["chunked"]), names())
    admin("DELETE", MAPS + "/chunked")


# HTTP/2 (RFC 9113): frames as bytes.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field without index and without Huffman (RFC 7541 section 6.2.2)."""
    def text(raw_text):
        encoded = raw_text.encode()
        assert len(encoded) < 127
        return bytes([len(encoded)]) + encoded
    return b"\x00" + text(name) + text(value)


def block(**changes):
    fields = {":method": "GET", ":scheme": "https", ":path": "/version", ":authority": "a",
              "authorization": "Bearer admin-token"}
    fields.update({k.replace("_", ":", 1) if k.startswith("_") else k: v for k, v in changes.items()})
    return b"".join(literal(k, v) for k, v in fields.items() if v is not None)


def frames_of(heard):
    at, found = 0, []
    while at + 9 <= len(heard):
        size = int.from_bytes(heard[at:at + 3], "big")
        found.append((heard[at + 3], heard[at + 4], int.from_bytes(heard[at + 5:at + 9], "big"), heard[at + 9:at + 9 + size]))
        at += 9 + size
    return found


def exchange(sent, until=None):
    """The frames that answer `sent` behind the preface: until the server closes, or one that `until` takes."""
    with connect(alpn="h2") as connection:
        if connection.selected_alpn_protocol() != "h2":
            raise RuntimeError("no HTTP/2")
        try:
            connection.sendall(PREFACE + frame(SETTINGS) + sent)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass
        heard = b""
        try:
            while piece := connection.recv(65536):
                heard += piece
                if until and any(until(found) for found in frames_of(heard)):
                    break
        except (ConnectionResetError, ssl.SSLError):
            pass
    return frames_of(heard)


def http2():
    good = frame(HEADERS, END_STREAM | END_HEADERS, 1, block())
    ends = lambda found: found[0] in (DATA, HEADERS) and found[1] & END_STREAM
    answered = exchange(good, ends)
    check("a good request", any(f[0] == DATA and b'"gitVersion"' in f[3] for f in answered), answered)

    PROTOCOL, FLOW, FRAME_SIZE, COMPRESSION = 1, 3, 6, 9
    goodbyes = {
        "data on stream 0": (frame(DATA, 0, 0, b"x"), PROTOCOL),
        "data on an idle stream": (frame(DATA, 0, 1, b"x"), PROTOCOL),
        "headers on stream 0": (frame(HEADERS, END_STREAM | END_HEADERS, 0, block()), PROTOCOL),
        "an even stream": (frame(HEADERS, END_STREAM | END_HEADERS, 2, block()), PROTOCOL),
        "a pushed stream": (frame(PUSH, END_HEADERS, 1, struct.pack(">I", 2) + block()), PROTOCOL),
        "settings of a wrong size": (frame(SETTINGS, 0, 0, b"12345"), FRAME_SIZE),
        "a ping of a wrong size": (frame(PING, 0, 0, b"123"), FRAME_SIZE),
        "a frame over the limit": (frame(DATA, 0, 1, b"x" * 20000), FRAME_SIZE),
        "a window beyond its bound": (frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff)), FLOW),
        "a window update of nothing": (frame(WINDOW, 0, 0, struct.pack(">I", 0)), PROTOCOL),
        "headers that do not decode": (frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff" * 20), COMPRESSION),
        "a ping between headers": (frame(HEADERS, END_STREAM, 1, block()) + frame(PING, 0, 0, b"12345678"), PROTOCOL),
        "a continuation of nothing": (frame(CONTINUATION, END_HEADERS, 1, block()), PROTOCOL),
    }
    for what, (sent, code) in goodbyes.items():
        told = exchange(sent)
        seen = [int.from_bytes(f[3][4:8], "big") for f in told if f[0] == GOAWAY]
        check(what, seen[-1:] == [code], told)

    reset = lambda found: found[0] in (RST_STREAM, GOAWAY)
    for what, changes in {
        "no path": {"_path": None}, "no method": {"_method": None}, "an upper case name": {"Upper": "x"},
        "a pseudo field that there is not": {"_status": "200"}, "a connection field": {"connection": "close"},
    }.items():
        told = exchange(frame(HEADERS, END_STREAM | END_HEADERS, 1, block(**changes)), reset)
        check(what, any(f[0] == RST_STREAM and f[3] == struct.pack(">I", PROTOCOL) for f in told), told)

    # A body that is shorter than its length, and one whose client resets it: neither is stored.
    before = names()
    headers = {"_method": "POST", "_path": MAPS, "content-type": "application/json", "content-length": "100"}
    body = b'{"metadata":{"name":"half"}}'
    told = exchange(frame(HEADERS, END_HEADERS, 1, block(**headers)) + frame(DATA, END_STREAM, 1, body), reset)
    check("a short body", any(f[0] == RST_STREAM for f in told), told)
    headers.pop("content-length")
    exchange(frame(HEADERS, END_HEADERS, 1, block(**headers)) + frame(DATA, 0, 1, body) +
             frame(RST_STREAM, 0, 1, struct.pack(">I", 8)) + frame(HEADERS, END_STREAM | END_HEADERS, 3, block()),
             lambda found: ends(found) and found[2] == 3)
    check("a body that was reset", names() == before, names())

    with connect(alpn="h2") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b" " * 100)
        told = frames_of(receive(connection))
    check("no preface", not any(f[0] in (HEADERS, DATA) for f in told), told)


{"certificates": certificates, "tokens": tokens, "requests": requests, "http1": http1, "http2": http2}[section]()
print("\n".join(problems) if problems else "ok")
sys.exit(1 if problems else 0)
