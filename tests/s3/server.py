#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A strict S3 server of its own on 127.0.0.1, for tests of those who talk to one.

    server.py [--tls DIR]
    server.py --run COMMAND...

Prints its port and ends with its standard input, or ends with COMMAND, which finds in its environment
S3_ENDPOINT, S3_BUCKET, S3_REGION and the credentials. With --tls it makes a certificate whose
authority is DIR/ca.pem. It keeps one bucket, "bvol", in memory, and knows one access key. What real servers let
pass it refuses: signatures are computed anew from what came over the wire, every x-amz header has to
be signed, the query has to be sorted and encoded as signatures want it, bodies have to have the hash
that was signed, parts the size that is prescribed.

POST /_control takes JSON: "faults", a list of {"method", "match", "kind", "times"}, of which the first
that fits a request is applied; "chaos", so many requests in a hundred that fail somehow; "conditions":
false, to pass over If-None-Match as some servers do; "page", the entries of a list. GET /_control says
in JSON what there is.
"""
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

KEY_ID = "AKIDBVOLTEST"
SECRET = "secret/of+the=tests"
REGION = "eu-test-1"
BUCKET = "bvol"
PART_MIN = 5 << 20
SKEW = 15 * 60
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class Refusal(Exception):
    """An answer that is an <Error>."""

    def __init__(self, status, code, **fields):
        super().__init__(code)
        self.status, self.code, self.fields = status, code, fields


class Drop(Exception):
    """The connection is closed without an answer."""


class State:
    """Everything that the server has; under its lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.objects = {}       # key: (bytes, etag, metadata, time)
        self.uploads = {}       # id: (key, metadata, time, {number: (bytes, etag)})
        self.faults, self.chaos, self.conditions, self.page = [], 0, True, 1000
        self.requests, self.largest, self.failed = 0, 0, 0
        self.dice = random.Random(1)


STATE = State()


def stamp(seconds):
    """As lists have it, to the microsecond."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000000):06d}Z"


def encode(text, safe="-._~"):
    return urllib.parse.quote(text, safe=safe)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "strict"
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    # Answers

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "short" and len(body) > 1:
            self.wfile.write(body[:len(body) // 2])
            raise Drop
        if self.fault == "slow":
            for at in range(0, len(body), max(1, len(body) // 20)):
                self.wfile.write(body[at:at + max(1, len(body) // 20)])
                self.wfile.flush()
                time.sleep(0.02)
            return
        self.wfile.write(body)

    def xml(self, root, inner, status=200, **headers):
        if self.fault == "xml":
            inner = "<a><b>" + inner
        if self.fault == "doctype":
            inner, root = "&x;", root
            text = f'<!DOCTYPE a [<!ENTITY x "{"y" * 99}">]><{root}>{inner}</{root}>'
        else:
            text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {NAMESPACE}>{inner}</{root}>'
        self.answer(status, text.encode(), Content_Type="application/xml", **headers)

    def refuse(self, why):
        fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in why.fields.items())
        headers = {"x-amz-bucket-region": why.fields["Region"]} if "Region" in why.fields else {}
        if why.code == "SlowDown" and self.fault == "retry-after":
            headers["Retry-After"] = "1"
        body = f"<Error><Code>{why.code}</Code><Message>no &lt;message&gt;</Message>{fields}</Error>"
        self.answer(why.status, body.encode(), Content_Type="application/xml", **headers)

    # Checks

    def verify(self, path, query, body):
        """The signature, from nothing but what came over the wire."""
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
                             r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
                             self.headers.get("Authorization", ""))
        if not found:
            raise Refusal(400, "AuthorizationHeaderMalformed", Region=REGION)
        key_id, date, region, names, signature = found.groups()
        if key_id != KEY_ID:
            raise Refusal(403, "InvalidAccessKeyId")
        if region != REGION:
            raise Refusal(400, "AuthorizationHeaderMalformed", Region=REGION)
        names = names.split(";")
        when = self.headers.get("x-amz-date", "")
        present = {name.lower() for name in self.headers}
        wanted = {n for n in present if n.startswith("x-amz-")} | {"host"} | (present & {"content-type"})
        if names != sorted(names) or not wanted <= set(names) or not set(names) <= present:
            raise Refusal(403, "AccessDenied")
        if not re.fullmatch(r"\d{8}T\d{6}Z", when) or when[:8] != date:
            raise Refusal(403, "AccessDenied")
        if abs(time.mktime(time.strptime(when, "%Y%m%dT%H%M%SZ")) - time.timezone - time.time()) > SKEW:
            raise Refusal(403, "RequestTimeTooSkewed")
        digest = self.headers.get("x-amz-content-sha256", "")
        headers = "".join(f"{n}:{' '.join(self.headers[n].split())}\n" for n in names)
        canon = "\n".join([self.command, path, query, headers, ";".join(names), digest])
        scope = f"{date}/{region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", when, scope, hashlib.sha256(canon.encode()).hexdigest()])
        key = ("AWS4" + SECRET).encode()
        for part in (date, region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if hmac.new(key, text.encode(), hashlib.sha256).hexdigest() != signature:
            raise Refusal(403, "SignatureDoesNotMatch")
        if digest != hashlib.sha256(body).hexdigest():
            raise Refusal(400, "XAmzContentSHA256Mismatch")

    def place(self, path):
        """The key, of a bucket in the host's name or in the path; None: the bucket itself."""
        host = self.headers["Host"].rsplit(":", 1)[0]
        text = urllib.parse.unquote(path, errors="strict")
        if encode(text, "/-._~") != path or not text.startswith("/"):
            raise Refusal(400, "InvalidURI")
        if host == "localhost" or host[0].isdigit():
            bucket, _, key = text[1:].partition("/")
        else:
            bucket, key = host.partition(".")[0], text[1:]
        if bucket != BUCKET:
            raise Refusal(404, "NoSuchBucket")
        return key or None

    def arguments(self, query):
        pairs = [part.partition("=")[::2] for part in query.split("&")] if query else []
        clean = [(urllib.parse.unquote(n), urllib.parse.unquote(v)) for n, v in pairs]
        again = "&".join(sorted(f"{encode(n)}={encode(v)}" for n, v in clean))
        if again != query or len(dict(clean)) != len(clean):
            raise Refusal(400, "InvalidArgument")
        return dict(clean)

    # Faults

    def choose_fault(self):
        """None, or what goes wrong with this request."""
        for fault in STATE.faults:
            if fault["times"] and re.match(fault.get("method", ""), self.command) and \
                    re.search(fault.get("match", ""), self.path):
                fault["times"] -= 1
                STATE.failed += 1
                return fault["kind"]
        if STATE.chaos and STATE.dice.random() * 100 < STATE.chaos:
            STATE.failed += 1
            return STATE.dice.choice(["500", "503", "429", "cut", "lost", "short", "slow"])
        return None

    def fail_before(self):
        if self.fault == "hang":
            time.sleep(30)
        if self.fault in ("cut", "hang"):
            raise Drop
        if self.fault == "retry-after":
            raise Refusal(503, "SlowDown")
        if self.fault == "redirect":
            raise Refusal(301, "PermanentRedirect", Region="eu-other-2")
        if self.fault and self.fault.isdigit():
            status = int(self.fault)
            raise Refusal(status, {503: "SlowDown", 500: "InternalError", 403: "AccessDenied",
                                   501: "NotImplemented", 507: "InsufficientStorage"}.get(status, "Odd"))

    # Requests

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        self.fault = None
        if path == "/_control":
            self.control(body)
            return
        with STATE.lock:
            STATE.requests += 1
            STATE.largest = max(STATE.largest, len(body))
            self.fault = self.choose_fault()
        try:
            self.fail_before()
            self.verify(path, query, body)
            self.dispatch(self.place(path), self.arguments(query), body)
        except Refusal as why:
            self.refuse(why)

    def do_any(self):
        try:
            self.serve()
            self.wfile.flush()
        except (Drop, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any

    def done(self, act):
        """After the request has been carried out; then its answer may be lost."""
        if self.fault == "lost":
            raise Drop
        act()

    def control(self, body):
        with STATE.lock:
            if self.command == "POST":
                for name, value in json.loads(body).items():
                    setattr(STATE, name, value)
            text = json.dumps({
                "objects": sorted(STATE.objects), "uploads": len(STATE.uploads), "failed": STATE.failed,
                "requests": STATE.requests, "largest": STATE.largest})
        self.answer(200, text.encode())

    def dispatch(self, key, args, body):
        shape = (self.command, key is not None, *sorted(args))
        table = {
            ("GET", False, "list-type", "prefix"): self.list_objects,
            ("GET", False, "continuation-token", "list-type", "prefix"): self.list_objects,
            ("GET", False, "prefix", "uploads"): self.list_uploads,
            ("GET", False, "key-marker", "prefix", "upload-id-marker", "uploads"): self.list_uploads,
            ("GET", True): self.get_object, ("HEAD", True): self.head_object,
            ("PUT", True): self.put_object, ("DELETE", True): self.delete_object,
            ("POST", True, "uploads"): self.create_upload,
            ("PUT", True, "partNumber", "uploadId"): self.put_part,
            ("POST", True, "uploadId"): self.complete_upload,
            ("DELETE", True, "uploadId"): self.abort_upload,
        }
        if shape not in table:
            raise Refusal(400, "InvalidRequest")
        table[shape](key, args, body)

    def metadata(self):
        return {n.lower(): v for n, v in self.headers.items() if n.lower().startswith("x-amz-meta-")}

    def check_condition(self, key):
        condition = self.headers.get("If-None-Match")
        if condition is None or not STATE.conditions:
            return
        if condition != "*":
            raise Refusal(501, "NotImplemented")
        if key in STATE.objects:
            raise Refusal(412, "PreconditionFailed")

    def put_object(self, key, args, body):
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        with STATE.lock:
            self.check_condition(key)
            STATE.objects[key] = (body, etag, self.metadata(), time.time())
        self.done(lambda: self.answer(200, ETag=etag))

    def find(self, key):
        with STATE.lock:
            if key not in STATE.objects:
                raise Refusal(404, "NoSuchKey")
            return STATE.objects[key]

    def head_object(self, key, args, body):
        _, etag, meta, _ = self.find(key)
        self.answer(200, ETag=etag, **meta)

    def get_object(self, key, args, body):
        data, etag, meta, _ = self.find(key)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not found or self.fault == "whole":
            self.answer(200, data, ETag=etag, **meta)
            return
        first, last = int(found[1]), min(int(found[2]), len(data) - 1)
        if first >= len(data):
            raise Refusal(416, "InvalidRange")
        if self.fault == "long":
            self.answer(206, data + data * 9, Content_Range=f"bytes {first}-{last}/{len(data)}")
            return
        self.answer(206, data[first:last + 1], ETag=etag, **meta,
                    Content_Range=f"bytes {first}-{last}/{len(data)}")

    def delete_object(self, key, args, body):
        with STATE.lock:
            STATE.objects.pop(key, None)
        self.done(lambda: self.answer(204))

    def list_objects(self, key, args, body):
        if args["list-type"] != "2":
            raise Refusal(400, "InvalidArgument")
        after = args.get("continuation-token", "")
        if after and not after.startswith("after +/="):
            raise Refusal(400, "InvalidArgument")
        with STATE.lock:
            keys = sorted(k for k in STATE.objects
                          if k.startswith(args["prefix"]) and (not after or k > after[9:]))
            page = [(k, STATE.objects[k]) for k in keys[:STATE.page]]
        inner = f"<Name>{BUCKET}</Name><IsTruncated>{str(len(keys) > len(page)).lower()}</IsTruncated>"
        for name, (data, etag, _, when) in page:
            inner += (f"<Contents><Key>{escape(name)}</Key><LastModified>{stamp(when)}</LastModified>"
                      f"<ETag>{escape(etag)}</ETag><Size>{len(data)}</Size></Contents>")
        if len(keys) > len(page):
            inner += f"<NextContinuationToken>after +/={escape(page[-1][0])}</NextContinuationToken>"
        self.xml("ListBucketResult", inner)

    def list_uploads(self, key, args, body):
        after = (args.get("key-marker", ""), args.get("upload-id-marker", ""))
        with STATE.lock:
            found = sorted((k, i, when) for i, (k, _, when, _) in STATE.uploads.items()
                           if k.startswith(args["prefix"]) and (k, i) > after)
        page = found[:STATE.page]
        more = len(found) > len(page)
        inner = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            inner += (f"<NextKeyMarker>{escape(page[-1][0])}</NextKeyMarker>"
                      f"<NextUploadIdMarker>{page[-1][1]}</NextUploadIdMarker>")
        for name, number, when in page:
            inner += (f"<Upload><Key>{escape(name)}</Key><UploadId>{number}</UploadId>"
                      f"<Initiated>{stamp(when)}</Initiated></Upload>")
        self.xml("ListMultipartUploadsResult", inner)

    # Uploads in parts

    def create_upload(self, key, args, body):
        number = f"{random.getrandbits(96):024x}+/"
        with STATE.lock:
            STATE.uploads[number] = (key, self.metadata(), time.time(), {})
        self.done(lambda: self.xml("InitiateMultipartUploadResult",
                                   f"<Key>{escape(key)}</Key><UploadId>{number}</UploadId>"))

    def upload(self, key, args):
        found = STATE.uploads.get(args["uploadId"])
        if not found or found[0] != key:
            raise Refusal(404, "NoSuchUpload")
        return found

    def put_part(self, key, args, body):
        if not re.fullmatch(r"[1-9]\d{0,4}", args["partNumber"]) or int(args["partNumber"]) > 10000:
            raise Refusal(400, "InvalidArgument")
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        with STATE.lock:
            self.upload(key, args)[3][int(args["partNumber"])] = (body, etag)
        self.done(lambda: self.answer(200, ETag=etag))

    def complete_upload(self, key, args, body):
        listed = re.findall(r"<Part><PartNumber>(\d+)</PartNumber><ETag>([^<]*)</ETag></Part>", body.decode())
        numbers = [int(n) for n, _ in listed]
        if self.fault == "late":
            self.refuse(Refusal(200, "InternalError"))
            return
        with STATE.lock:
            _, meta, _, parts = self.upload(key, args)
            self.check_condition(key)
            if not numbers or numbers != sorted(set(numbers)):
                raise Refusal(400, "InvalidPartOrder")
            if any(parts.get(int(n), (b"", ""))[1] != etag for n, etag in listed):
                raise Refusal(400, "InvalidPart")
            chosen = [parts[n][0] for n in numbers]
            if any(len(part) < PART_MIN for part in chosen[:-1]):
                raise Refusal(400, "EntityTooSmall")
            etag = f'"{hashlib.md5(b"".join(chosen)).hexdigest()}-{len(chosen)}"'
            STATE.objects[key] = (b"".join(chosen), etag, meta, time.time())
            del STATE.uploads[args["uploadId"]]
        self.done(lambda: self.xml("CompleteMultipartUploadResult", f"<ETag>{escape(etag)}</ETag>"))

    def abort_upload(self, key, args, body):
        with STATE.lock:
            self.upload(key, args)
            del STATE.uploads[args["uploadId"]]
        self.done(lambda: self.answer(204))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Clients that went away are what some tests are about."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


def make_certificates(folder):
    """An authority and a certificate of it for 127.0.0.1 and localhost."""
    folder = pathlib.Path(folder)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *key, "-keyout", folder / "ca.key", "-out", folder / "ca.pem",
                    "-days", "2", "-subj", "/CN=tests"], check=True, capture_output=True)
    subprocess.run(["openssl", "req", "-x509", *key, "-keyout", folder / "server.key", "-out",
                    folder / "server.pem", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
                    "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2 and sys.argv[1] == "--tls":
        server.socket = make_certificates(sys.argv[2]).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if sys.argv[1:2] == ["--run"]:
        sys.exit(subprocess.run(sys.argv[2:], check=False, env=dict(
            os.environ, AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, S3_BUCKET=BUCKET,
            S3_REGION=REGION, S3_ENDPOINT=f"http://localhost:{server.server_port}")).returncode)
    print(server.server_port, flush=True)
    sys.stdin.read()


main()
