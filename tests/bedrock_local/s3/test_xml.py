from __future__ import annotations

import pytest

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.s3.xml import read_xml, xml_response

BOMB = b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>'


@pytest.mark.parametrize(
    "content", [BOMB, BOMB.decode().encode("utf-16"), b"<a>", b"", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>']
)
def test_a_document_that_is_not_plain_xml_is_refused(content):
    with pytest.raises(ServiceError, match="MalformedXML"):
        read_xml(content)


def test_names_are_read_without_their_space():
    root = read_xml(b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet></Delete>')
    assert root.findtext("Quiet") == "true"


def test_values_are_escaped_and_missing_ones_left_out():
    body = xml_response("R", {"Key": "<a&b>\r", "None": None, "Yes": True, "Item": [{"N": 1}, {"N": 2}]}).body.content
    inside = "<Key>&lt;a&amp;b&gt;&#13;</Key><Yes>true</Yes><Item><N>1</N></Item><Item><N>2</N></Item>"
    assert body.decode().endswith(f">{inside}</R>")
