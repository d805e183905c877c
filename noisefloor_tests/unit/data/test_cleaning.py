"""Cleaning: what is left of a novel, of an article, and of any text."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_noisefloor.data.cleaning import article, chapters, normalise


def test_chapters_lose_headings_wraps_and_editors_notes_and_keep_verse():
    novel = (
        "A title page\r\n\r\nChapter I\r\n\r\n\r\nOne line\r\nand the next.\r\n\r\nHe sang:\r\n\r\n"
        " Of verse\r\n each line.\r\n\r\n {A note.\r\n ed.}\r\n\r\nA chapter closed.\r\n\r\n"
        "Chapter II\r\n\r\nThe end.\r\n"
    )
    assert chapters(novel) == (
        "One line and the next.\n\nHe sang:\n\n Of verse\n each line.\n\nA chapter closed.",
        "The end.",
    )


def test_an_article_is_its_abstracts_and_paragraphs_without_what_is_not_prose():
    cite = '<xref ref-type="bibr" rid="r{0}">{0}</xref>'
    jats = f"""<!DOCTYPE article PUBLIC "-//NLM//DTD" "nowhere.dtd"><article>
      <front><article-meta><abstract><title>Lost</title><p>An  abstract
        <italic>in situ</italic>.</p></abstract></article-meta></front>
      <body><p>Cited [{cite.format(1)}]\u2013[{cite.format(2)}], twice [{cite.format(3)},
          {cite.format(4)}] (e.g., {cite.format(5)}); see <xref ref-type="fig">Figure 1</xref>.</p>
        <sec><title>Lost</title><p>With <inline-formula>x</inline-formula> lost.</p>
        <fig><caption><p>Lost.</p></caption></fig>
        <boxed-text><p>Lost.</p></boxed-text><table-wrap><p>Lost.</p></table-wrap>
        <p>Two things:<list><list-item><p>Cafe\u0301,</p></list-item><list-item><p>tea.</p>
        </list-item></list></p><p><xref ref-type="bibr">6</xref></p></sec></body>
      <back><p>Lost.</p></back></article>"""
    assert article(jats.encode()).split("\n\n") == [
        "An abstract in situ.",
        "Cited, twice; see Figure 1.",
        "Two things:",
        "Café,",
        "tea.",
    ]


@given(st.text("ae\u0301\u0327\ufeff \t\r\n"))
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)
