"""The pages for those who carry on: every name that they give exists, every link leads somewhere."""

import ast
import re
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from analysis.cli import app

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
LINKED = [*DOCS, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"))]
NAMED = [ROOT / name for name in ("docs/architecture.md", "docs/index.md", "CONTRIBUTING.md")]
PACKAGES = ("analysis", "bedrock_local")
MOST_WORDS = 25

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
TICKED = re.compile(r"`([^`]+)`")
FILE = re.compile(
    r"[\w.<>*-]*/[\w.<>*/-]*|[\w.<>*-]+\.(?:py|pyi|md|csv|toml|txt|ipynb|html|jsonl|json|parquet)|Makefile"
)
INSIDE = re.compile(r"(analysis|bedrock_local|tests|benchmarks|docs|notebooks|reports/sample)/[\w.<>*/-]*")
DOTTED = re.compile(r"(analysis|bedrock_local)(\.\w+)+")
NAME = re.compile(r"[A-Za-z_]\w*")
# A name with a dot, an option or a call would be a claim that is not checked.
TYPED = re.compile(r"[\w.]+(\(.*\))?|--[\w-]+")
# Of Mermaid's flowcharts: `name["text"]`, `name[("text")]`, `name(["text"])`, and `-->` or `-->|"text"|` between them.
BOX = re.compile(r"""(?P<name>\w+)(?:[\[(]{1,2}"(?P<text>[^"]+)"[\])]{1,2})?""")
ARROW = re.compile(r"""\s+-->(?:\|"[^"]+"\|)?\s+""")
# What belongs to AWS, to pytest or to the language, or is made when a run or a build is.
FOREIGN = {
    "Failed", "Expired", "InvokeModel", "Converse", "GetModelInvocationJob", "status", "before-send", "parameters",
    "batchbook", "CI", "Unreleased",
}  # fmt: skip
# The files of the family that docs/families.md shows how to add.
TO_WRITE = {"analysis/families/parrot.py", "tests/analysis/families/test_parrot.py"}
MADE = ("runs/", "reports/release", "build/", ".venv", "input/", "output/", "outputs/", "state/", "calls/")


def read(path):
    return path.read_text(encoding="utf-8")


def read_prose(path):
    """Read a page without its blocks of code."""
    return FENCE.sub("", read(path))


def show(path):
    return path.relative_to(ROOT).as_posix()


def list_links(page):
    """List the links of a page to files: the file, and the heading in it."""
    links = [link for link in LINK.findall(read_prose(page)) if "://" not in link]
    return [
        ((page.parent / link.partition("#")[0]) if link[0] != "#" else page, link.partition("#")[2]) for link in links
    ]


@cache
def list_anchors(page):
    """List the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", read_prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=show)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target, heading in list_links(page):
        assert target.exists(), target
        assert not heading or heading in list_anchors(target.resolve()), heading


def test_every_page_is_reached_from_the_index():
    found, ahead = set(), {ROOT / "docs/index.md"}
    while ahead:
        found |= ahead
        linked = {target.resolve() for page in ahead for target, _ in list_links(page)}
        ahead = {page for page in linked if page.suffix == ".md" and ROOT / "docs" in page.parents} - found
    assert found == set(DOCS)


def list_lines(page):
    """List the lines of a page that give names; of a table of old and new names, the new ones."""
    text, old = read_prose(page), "## Old and new names"
    before, _, after = text.partition(old)
    return [*before.splitlines(), *(line.split("|", 2)[-1] for line in after.splitlines())]


@cache
def list_definitions(file):
    """List what a Python file defines or imports: functions, classes, constants, fields and parameters."""
    tree = ast.parse(file.read_bytes())
    nodes = [(node, vars(node)) for node in ast.walk(tree)]
    names = {fields["name"] for node, fields in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {fields["id"] for node, fields in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {fields["name"] for node, fields in nodes if isinstance(node, ast.alias)}
    return names | {fields["arg"] for node, fields in nodes if isinstance(node, ast.arg)}


@cache
def list_all_definitions():
    """List what any file of both packages, the tests and the benchmarks defines."""
    folders = (*PACKAGES, "tests", "benchmarks")
    return set().union(*(list_definitions(file) for folder in folders for file in (ROOT / folder).rglob("*.py")))


@cache
def read_layers():
    """Read the layers that the test of imports holds the packages to."""
    tree = ast.parse((ROOT / "tests/test_layers.py").read_bytes())
    assigned = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    return ast.literal_eval(assigned["LAYERS"])


def list_rooms():
    """List the rooms of both packages, and the packages."""
    rows = [row for package in PACKAGES for row in read_layers()[package]]
    return {*PACKAGES, "__init__"}.union(*rows)


def find_files(text):
    """Find the files that a path means; `<name>` stands for any name."""
    return sorted(ROOT.glob(re.sub(r"<[^>]*>", "*", text).rstrip("/")))


def is_file(text):
    return bool(FILE.fullmatch(text))


def defines(file, name):
    if file.suffix == ".py":
        return name in list_definitions(file)
    return file.is_file() and name in file.read_text(encoding="utf-8")


def resolves(name):
    """Import as much of a dotted name as is a module, and look for the rest as attributes or fields."""
    parts = name.split(".")
    found = import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        try:
            found = import_module(".".join(parts[:number]))
        except ModuleNotFoundError:
            if not hasattr(found, part):
                return part in getattr(found, "__annotations__", {})
            found = getattr(found, part)
    return True


@cache
def list_commands():
    """List the commands of `batchbook` with their options."""
    group = typer.main.get_command(app)
    found = {"": group, **group.commands}
    found |= {f"facts {name}": command for name, command in found["facts"].commands.items()}
    return {name: {option for param in command.params for option in param.opts} for name, command in found.items()}


@cache
def list_targets():
    return set(re.findall(r"^([\w-]+):", read(ROOT / "Makefile"), re.MULTILINE))


def is_command(text):
    """Return whether `make target` or `batchbook command --option ...` can be typed."""
    program, *words = text.split()
    if program == "make":
        return {word for word in words if "=" not in word} <= list_targets()
    command = " ".join(takewhile(re.compile("[a-z]+(-[a-z]+)*").fullmatch, words))
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    return command in list_commands() and options <= list_commands()[command]


def exists(text, files):
    """Return whether what a text in backticks means exists; a plain name does if a file of its line has it."""
    if text in FOREIGN or text in list_rooms() or text.startswith(MADE):
        return True
    if text.startswith(("make ", "batchbook ")):
        return is_command(text)
    if DOTTED.fullmatch(text):
        return resolves(text)
    if is_file(text):
        return bool(find_files(text))
    if NAME.fullmatch(text):
        return any(defines(file, text) for file in files) if files else text in list_all_definitions()
    return not TYPED.fullmatch(text)


@pytest.mark.parametrize("page", NAMED, ids=show)
def test_every_name_in_backticks_exists(page):
    unknown = []
    for line in list_lines(page):
        names = TICKED.findall(line)
        files = [file for name in names if is_file(name) for file in find_files(name) if file.is_file()]
        unknown += [(name, line[:80]) for name in names if not exists(name, files)]
    assert unknown == []


@pytest.mark.parametrize("page", LINKED, ids=show)
def test_every_file_module_and_command_of_a_page_exists(page):
    names = [name for line in list_lines(page) for name in TICKED.findall(line)]
    files = [name for name in names if INSIDE.fullmatch(name) and name not in TO_WRITE]
    modules = [name for name in names if DOTTED.fullmatch(name)]
    commands = [name for name in names if re.fullmatch(r"(make|batchbook) [\w -]+", name)]
    assert [name for name in (*files, *modules, *commands) if not exists(name, [])] == []


@pytest.mark.parametrize("page", NAMED, ids=show)
def test_every_command_and_file_in_a_block_of_commands_exists(page):
    lines = [
        line.partition("#")[0]
        for kind, block in FENCE.findall(read(page))
        if kind == "bash"
        for line in block.splitlines()
    ]
    commands = [line for line in lines if line.startswith(("make ", "batchbook "))]
    assert [line for line in commands if not is_command(line)] == []
    paths = [word.partition("::")[0] for line in lines for word in line.split() if re.match(r"\w+/", word)]
    assert [path for path in paths if not path.startswith(MADE) and not find_files(path)] == []


def list_pictures():
    return [block for page in DOCS for kind, block in FENCE.findall(read(page)) if kind == "mermaid"]


def list_boxes(picture):
    """List the boxes of a flowchart as often as they occur, with their texts where these are given."""
    boxes = [box for line in picture.splitlines()[1:] for box in ARROW.split(line.strip())]
    return [BOX.fullmatch(box) for box in boxes if box]


def test_there_are_pictures_of_both_packages():
    assert len(list_pictures()) == 2


@pytest.mark.parametrize("picture", list_pictures())
def test_a_picture_is_a_flowchart_whose_boxes_have_one_text_each(picture):
    boxes = list_boxes(picture)
    assert re.match(r"flowchart (TD|LR)\n", picture)
    assert None not in boxes
    # `end` ends a subgraph of Mermaid wherever it stands.
    assert sorted(box["name"] for box in boxes if box["text"]) == sorted({box["name"] for box in boxes} - {"end"})


@pytest.mark.parametrize("picture", list_pictures())
def test_what_a_box_names_exists(picture):
    unknown = []
    for text in (box["text"] for box in list_boxes(picture) if box["text"]):
        path, *parts = text.split("<br/>")
        files = find_files(path) if path.startswith(PACKAGES) else []
        files = [inside for file in files for inside in (file.glob("*.py") if file.is_dir() else [file])]
        names = [name for part in parts for name in part.split(", ")]
        unknown += [path] if path.startswith(PACKAGES) and not files else []
        unknown += [name for name in names if not any(defines(file, name) for file in files)]
    assert unknown == []


def list_rows(heading):
    """List the first cells of the table below a heading of the page on the architecture."""
    section = re.split(rf"^### {heading}$", read(ROOT / "docs/architecture.md"), flags=re.MULTILINE)[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0]
    return [row.split("|")[1].strip().strip("`") for row in table.splitlines()[2:]]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_of_a_package_has_a_row(package):
    rooms = {name for row in read_layers()[package] for name in row}
    assert sorted(list_rows(f"Rooms of `{package}`")) == sorted(rooms | {"__init__"})


@pytest.mark.parametrize("package", PACKAGES)
def test_the_layers_are_those_that_the_imports_are_held_to(package):
    rows = [set(row.split(", ")) for row in list_rows(f"Layers of `{package}`")]
    assert rows == [set(row) for row in read_layers()[package]]


@pytest.mark.parametrize("page", [*DOCS, ROOT / "CONTRIBUTING.md"], ids=show)
def test_each_sentence_has_a_line_of_its_own(page):
    prose = [line for line in read_prose(page).splitlines() if not line.startswith(("|", "    "))]
    assert [line for line in prose if re.search(r"[a-z`)][.!?] [A-Z`]", line)] == []


def test_a_sentence_of_the_changelog_is_short():
    lines = [line.removeprefix("- ") for line in read(ROOT / "CHANGELOG.md").splitlines()]
    sentences = [sentence for line in lines for sentence in re.split(r"(?<=[.!?]) ", LINK.sub("]", line))]
    assert [sentence for sentence in sentences if len(sentence.split()) > MOST_WORDS] == []
