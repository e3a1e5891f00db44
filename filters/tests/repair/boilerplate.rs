//! How many boilerplate lines of real pages go, and how many that go are content?
//!
//! The word lists were written by hand and with a look at the pages not named in
//! `tests/fixtures/repair/held_out_pages.txt`; results for both are in `tests/fixtures/repair/MEASUREMENTS.md`.

use std::collections::BTreeMap;

use yuan_filters::BoilerplateLines;

#[derive(Default)]
struct Counts {
    boilerplate: usize,
    content: usize,
    removed_boilerplate: usize,
    removed_content: usize,
    content_chars: usize,
    removed_content_chars: usize,
}

/// Which lines of a text are not in what is left of it; equal lines are taken in order.
fn removed(lines: &[&str], left: &str) -> Vec<bool> {
    let mut left = left.split('\n').peekable();
    lines.iter().map(|line| left.next_if_eq(line).is_none()).collect()
}

#[test]
fn lines_of_real_pages() {
    let Some(corpora) = crate::support::corpora() else {
        println!("skipped: no shared corpora here");
        return;
    };
    let held_out: Vec<&str> = include_str!("../../../tests/fixtures/repair/held_out_pages.txt").lines().collect();
    let mut pages = Pages::new();
    for record in crate::support::records(&crate::support::unpack(&corpora.join("web/page_lines.jsonl.zst"))) {
        let field = |name: &str| record[name].as_str().expect("a string").to_owned();
        pages.entry(field("page")).or_default().push((field("text").trim().to_owned(), field("label") == "content"));
    }
    for max_gap_lines in [0, BoilerplateLines::default().max_gap_lines, 5, 10] {
        let counts = count(&pages, &held_out, max_gap_lines, 0);
        report(&counts, &format!("{max_gap_lines} lines between"));
    }
    // A label says whether the gold text has the line in it somewhere: that is so of `About` and `World`.
    let counts = count(&pages, &held_out, BoilerplateLines::default().max_gap_lines, 3);
    report(&counts, "lines of three words and more");
    let [_, held_out] = counts;
    assert!(held_out.removed_boilerplate * 100 >= (held_out.removed_boilerplate + held_out.removed_content) * 96);
    assert!(held_out.removed_content_chars * 200 <= held_out.content_chars);
}

type Pages = BTreeMap<String, Vec<(String, bool)>>;

/// Counts over lines of at least so many words, of the pages looked at and of those held out.
fn count(pages: &Pages, held_out: &[&str], max_gap_lines: usize, min_words: usize) -> [Counts; 2] {
    let boilerplate = BoilerplateLines { max_removed_fraction: 1.0, max_gap_lines, ..BoilerplateLines::default() };
    let mut counts: [Counts; 2] = Default::default();
    for (page, lines) in pages {
        let texts: Vec<&str> = lines.iter().map(|line| line.0.as_str()).collect();
        let text = texts.join("\n");
        let left = boilerplate.remove(&text).text.unwrap_or(text.clone());
        let counts = &mut counts[usize::from(held_out.contains(&page.as_str()))];
        for ((line, content), removed) in lines.iter().zip(removed(&texts, &left)) {
            if line.split_whitespace().count() < min_words {
                continue;
            }
            let chars = line.chars().count();
            counts.content += usize::from(*content);
            counts.boilerplate += usize::from(!content);
            counts.removed_content += usize::from(*content && removed);
            counts.removed_boilerplate += usize::from(!content && removed);
            counts.content_chars += if *content { chars } else { 0 };
            counts.removed_content_chars += if *content && removed { chars } else { 0 };
            if *content && removed && std::env::var_os("SHOW_DIFFERENCES").is_some() {
                println!("{page}: {line}");
            }
        }
    }
    counts
}

fn report(counts: &[Counts; 2], what: &str) {
    for (name, c) in ["looked at", "held out"].iter().zip(counts) {
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        println!(
            "| {what} | {name} | {} | {} | {:.3} | {:.3} | {:.4} |",
            c.boilerplate,
            c.content,
            share(c.removed_boilerplate, c.removed_boilerplate + c.removed_content),
            share(c.removed_boilerplate, c.boilerplate),
            share(c.removed_content_chars, c.content_chars),
        );
    }
}

#[test]
fn prose_keeps_its_lines() {
    let Some(corpora) = crate::support::corpora() else {
        println!("skipped: no shared corpora here");
        return;
    };
    let boilerplate = BoilerplateLines { max_removed_fraction: 1.0, ..BoilerplateLines::default() };
    for name in ["en_books", "en_wikitext2", "en_nltk", "zh_novels", "zh_wikiqa", "zh_laws", "zh_lctt", "multi_osguide"]
    {
        let (mut lines, mut removed_lines, mut shown) = (0, 0, 0);
        for text in crate::support::texts(&corpora.join(format!("docs/{name}.jsonl.zst"))) {
            let found = boilerplate.remove(&text);
            lines += text.lines().filter(|line| !line.trim().is_empty()).count();
            removed_lines += found.lines;
            if found.lines > 0 && shown < 12 && std::env::var_os("SHOW_DIFFERENCES").is_some() {
                let left = found.text.unwrap_or_default();
                let mut left = left.lines().filter(|line| !line.trim().is_empty()).peekable();
                for line in text.lines().filter(|line| !line.trim().is_empty()) {
                    if left.next_if_eq(&line).is_none() {
                        println!("{name}: {line}");
                        shown += 1;
                    }
                }
            }
        }
        println!("| {name} | {lines} | {removed_lines} |");
        assert!(removed_lines * 500 <= lines, "{name}");
    }
}
