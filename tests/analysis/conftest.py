import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.aws.session import open_session

PANDAS_DTYPES = {pl.Int64: "Int64", pl.Float64: "float64", pl.Boolean: "boolean"}


@dataclass(frozen=True)
class Kind:
    """One of the kinds of frame that users pass."""

    make: Callable[[pl.DataFrame], object]

    def check(self, result, rows, schema):
        """Compare a whole result, dtypes included, with rows worked out by hand."""
        if isinstance(result, pd.DataFrame):
            assert result.index.equals(pd.RangeIndex(len(rows)))
            wanted = {name: PANDAS_DTYPES[dtype] for name, dtype in schema.items() if dtype in PANDAS_DTYPES}
            assert {name: str(result[name].dtype) for name in wanted} == wanted
            texts = [pl.col(name).cast(pl.String) for name, dtype in schema.items() if dtype == pl.String]
            result = pl.from_pandas(result).with_columns(texts)
        assert_frame_equal(result, pl.DataFrame(rows, schema, orient="row"))


def nullable_pandas(frame):
    """Convert to nullable dtypes, with the index of a frame that was sorted."""
    native = frame.to_pandas().convert_dtypes()
    native.index = range(len(native), 0, -1)
    return native


@pytest.fixture(
    params=[pl.DataFrame.clone, pl.DataFrame.to_pandas, nullable_pandas], ids=["polars", "pandas", "nullable"]
)
def kind(request):
    return Kind(request.param)


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    """An account in its own folder; returns its session."""
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    return open_session("emulator")


@dataclass
class Aws:
    """The AWS Price List and the Service Quotas of an account, as their HTTP API answers; a page has two entries."""

    products: dict = field(default_factory=dict)  # by service code
    quotas: list = field(default_factory=list)
    defaults: list = field(default_factory=list)
    denied: set = field(default_factory=set)
    url: str = ""

    def answer(self, target, request):
        """Return status and body of the response to a request."""
        operation = target.partition(".")[2]
        if operation in self.denied:
            message = f"User: arn:aws:iam::123456789012:user/ada is not authorized to perform: {operation}"
            return 400, {"__type": "AccessDeniedException", "Message": message}
        if target == "AWSPriceListService.GetProducts":
            (only,) = (one["Value"] for one in request["Filters"] if one["Field"] == "regionCode")
            listed = self.products.get(request["ServiceCode"], [])
            texts = [json.dumps(one) for one in listed if one["product"]["attributes"]["regionCode"] == only]
            return 200, {"FormatVersion": "aws_v1"} | make_page("PriceList", texts, request)
        assert request["ServiceCode"] == "bedrock"
        tables = {"ListServiceQuotas": self.quotas, "ListAWSDefaultServiceQuotas": self.defaults}
        return 200, make_page("Quotas", tables[target.removeprefix("ServiceQuotasV20190624.")], request)

    def client(self, service):
        """Make a boto3 client of this server."""
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.url, **keys)


def make_page(name, entries, request):
    """Return a page of a list, with the token of the next one."""
    start = int(request.get("NextToken", 0))
    more = {"NextToken": str(start + 2)} if start + 2 < len(entries) else {}
    return {name: entries[start : start + 2]} | more


@pytest.fixture
def aws():
    """Serve prices and quotas on this machine."""
    state = Aws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = state.answer(self.headers["X-Amz-Target"], body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Write no log to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield state
        server.shutdown()


@pytest.fixture
def make_product():
    """Make a product of the price list as AWS writes it; `sold` names a model of the Marketplace."""

    def make(usage_type, usd, *, unit=None, region="us-east-1", sold=None, terms=None, **about):
        about |= {"usagetype": usage_type, "regionCode": region, "servicename": "Amazon Bedrock"}
        if sold:
            about |= {"servicename": f"{sold} (Amazon Bedrock Edition)", "operation": ""}
        unit = unit or ("1M tokens" if sold else "1K tokens")
        dimension = {"unit": unit, "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": usd}}
        term = {"effectiveDate": "2026-11-01T00:00:00Z", "priceDimensions": {"S.T.D": dimension}}
        return {
            "product": {"sku": usage_type, "productFamily": "Amazon Bedrock", "attributes": about},
            "serviceCode": "AmazonBedrock",
            "terms": {"OnDemand": {"S.T": term}} if terms is None else terms,
            "publicationDate": "2026-11-20T16:44:18Z",
        }

    return make


@pytest.fixture
def make_quota():
    """Make a quota as AWS lists it; an ARN without an account is that of a default."""

    def make(name, value, *, account="123456789012", **more):
        arn = f"arn:aws:servicequotas:us-east-1:{account}:bedrock/L-12345678"
        named = {"ServiceCode": "bedrock", "ServiceName": "Amazon Bedrock", "QuotaArn": arn, "QuotaCode": "L-12345678"}
        return named | {"QuotaName": name, "Value": float(value), "Unit": "None", "Adjustable": True} | more

    return make


@pytest.fixture
def count_calls(monkeypatch):
    """List the arguments of each call of a function, which works as before."""

    def count(owner, name):
        function, calls = getattr(owner, name), []

        def counted(*given, **named):
            calls.append((given, named))
            return function(*given, **named)

        monkeypatch.setattr(owner, name, counted)
        return calls

    return count
