import pytest
import yaml

from deployments.checks.yaml_lines import read_documents, unreadable

TEXT = """\
first: &anchor
  a: 1
  b: [x, y]
second:
  <<: *anchor
  b: 3
text: |

  inner:
    key: 4
folded: >-
  one
  two
"""


def test_the_value_is_that_of_pyyaml():
    """
    Anchors, merged keys and texts included.
    """
    [document] = read_documents(TEXT, "file")

    assert document.value == yaml.safe_load(TEXT)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param((), 1, id="root"),
        pytest.param(("first", "a"), 2, id="key"),
        pytest.param(("first", "b", 1), 3, id="entry of a list"),
        pytest.param(("second", "b"), 6, id="own key"),
        pytest.param(("second", "a"), 2, id="merged key, where it stands"),
        pytest.param(("second", "missing", 0), 4, id="closest parent of a missing key"),
    ],
)
def test_every_key_has_its_line(path, line):
    """
    From 1, as editors count.
    """
    [document] = read_documents(TEXT, "file")

    assert document.line(path) == line


@pytest.mark.parametrize(
    ("key", "text", "line"),
    [
        pytest.param("text", "inner:\n  key: 4", 10, id="block"),
        pytest.param("quoted", '"inner: {key: 4}"', 1, id="quoted"),
    ],
)
def test_a_text_may_be_yaml_itself(key, text, line):
    """
    Of a text in block style lines are exact; of any other it is that of its key.
    """
    source = TEXT if key == "text" else f"{key}: {text}\n"
    [document] = read_documents(source, "file")
    [inner] = document.embedded((key,))

    assert inner.value == {"inner": {"key": 4}}
    assert inner.line(("inner", "key")) == line


def test_documents_count_lines_of_the_file():
    """
    Empty ones are left out.
    """
    documents = read_documents("a: 1\n---\n---\nb: 2\n", "file")

    assert [document.line(tuple(document.value)) for document in documents] == [1, 4]


def test_a_key_that_stands_twice_is_found_once():
    """
    At its second line, and not again where an alias repeats the mapping.
    """
    [document] = read_documents("x: &x {a: 1, a: 2}\ny: *x\nz: {<<: *x, a: 3}\n", "file")

    assert [(finding.line, finding.where) for finding in document.duplicates()] == [(1, "x.a")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("a: 1\nb: [", 2, id="unclosed list"),
        pytest.param("a: 1\n\tb: 2", 2, id="tab"),
        pytest.param("a: 1\nb: &x [*x]", 2, id="an anchor that contains itself"),
        pytest.param("a: 1\nb: !!python/object:os.system x", 2, id="an object of Python"),
        pytest.param("a: 1\n? [1, 2]\n: 3", 2, id="a list as a key"),
    ],
)
def test_a_text_that_is_no_yaml_is_refused_at_its_line(text, line):
    """
    With one sentence.
    """
    with pytest.raises(yaml.YAMLError) as error:
        read_documents(text, "file")

    finding = unreadable(error.value, "file")
    assert (finding.line, finding.message.count("\n")) == (line, 0)
