from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import pytest

from analysis.aws.session import make_client
from analysis.aws.storage import list_files, put_file
from analysis.errors import StorageError
from analysis.jobs.batch import list_jobs

PAGE = b"<html><head><title>Sign in</title></head><body><p>Please sign in.</p></body></html>"


@pytest.fixture
def serve_page(monkeypatch):
    """Serve a page, whatever is asked, as a proxy does; returns a function that makes clients of it."""

    class Handler(BaseHTTPRequestHandler):
        status, kind, page = 200, "text/html; charset=utf-8", PAGE

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(self.status)
            self.send_header("Content-Type", self.kind)
            self.send_header("Content-Length", str(len(self.page)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(self.page)

        do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 -- http.server's way

        def log_message(self, *_):
            """Write no log to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()

        def make(service, status=200, kind=Handler.kind, page=PAGE):
            Handler.status, Handler.kind, Handler.page = status, kind, page
            return make_client(boto3.Session("a", "b", region_name="us-east-1"), service)

        yield make
        server.shutdown()


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("where", ["s3://calls/run/", "s3://calls/run"])
def test_a_login_page_is_no_empty_list_of_objects(serve_page, where, status):
    with pytest.raises(StorageError, match=rf"of s3: got a page of HTML \(status {status}\).*; check HTTPS_PROXY"):
        list_files(where, s3=serve_page("s3", status))


def test_a_login_page_is_no_upload(serve_page, tmp_path):
    (tmp_path / "a").write_bytes(b"transcript")
    with pytest.raises(StorageError, match=r"PutObject of s3: got a page of HTML"):
        put_file(tmp_path / "a", "s3://calls/a", s3=serve_page("s3"))


@pytest.mark.parametrize(("kind", "page"), [("text/html", PAGE), ("application/json", b"{}"), ("text/plain", b"")])
def test_a_login_page_is_no_list_of_jobs(serve_page, kind, page):
    bedrock = serve_page("bedrock", kind=kind, page=page)
    with pytest.raises(StorageError, match=r"ListModelInvocationJobs of bedrock: got .*; check HTTPS_PROXY and NO"):
        list(list_jobs(bedrock))


def test_an_object_that_is_a_page_is_read(emulator):
    s3 = make_client(emulator, "s3")
    s3.put_object(Bucket="batchbook", Key="page.html", Body=PAGE, ContentType="text/html")
    assert s3.get_object(Bucket="batchbook", Key="page.html")["Body"].read() == PAGE
