//! The page as a text: the template with style, scripts and data.

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");

/// The scripts, in the order in which they run.
const SCRIPTS: [&str; 10] = [
    "'use strict';\nconst DATA = JSON.parse(document.getElementById('data').textContent);\n",
    include_str!("dom.js"),
    include_str!("parts.js"),
    include_str!("chart.js"),
    include_str!("table.js"),
    include_str!("tasks.js"),
    include_str!("task.js"),
    include_str!("training.js"),
    include_str!("jobs.js"),
    include_str!("main.js"),
];

/// The page with its data, and those parts that are embedded.
pub(super) fn page(title: &str, data: &Json, parts: &[String]) -> String {
    let script = ["\n", &SCRIPTS.join("\n")].concat();
    let hash = base64(&Sha256::digest(script.as_bytes()));
    // `self` is the site that serves the page, `file:` the disk that it is opened from.
    let sources = format!("'sha256-{hash}' 'self' file:");
    let parts: Vec<String> = parts.iter().enumerate().map(part).collect();
    filled(&[
        ("script_sources", &sources),
        ("title", &escaped(title)),
        ("style", STYLE),
        ("data", &in_html(&data.to_string())),
        ("parts", &parts.concat()),
        ("script", &script),
    ])
}

fn part((number, json): (usize, &String)) -> String {
    let json = in_html(json);
    format!("<script type=\"application/json\" id=\"part-{number}\">{json}</script>\n")
}

/// A part as a script of its own, which hands its JSON to the page as a text.
pub(super) fn part_script(number: usize, json: &str) -> String {
    let text = in_html(&Json::from(json).to_string());
    format!("recodePart({number}, {text});\n")
}

/// JSON without the characters that HTML or an old JavaScript would read as something else. They occur in
/// texts only, where JSON has another way to write them.
fn in_html(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 16);
    for letter in json.chars() {
        match letter {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            letter => text.push(letter),
        }
    }
    text
}

/// Bytes in base 64, as the policy of a page writes hashes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let number = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            let digit = (number >> (18 - 6 * place)) & 63;
            let is_there = place <= three.len();
            text.push(if is_there {
                char::from(DIGITS[digit as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// Text between two tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The template with a value for each name in double braces. Values are not searched for names.
fn filled(values: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        page.push_str(before);
        page.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    page + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "</script><script>alert(1)</script><!-- \u{2028}{{script}}&lt; \u{0}\"\\";

    /// The data as a browser finds them: up to the first tag that ends a script.
    fn found(page: &str, id: &str) -> Json {
        let start = format!("<script type=\"application/json\" id=\"{id}\">");
        let (_, rest) = page.split_once(&start).unwrap();
        let (text, _) = rest.split_once("</script>").unwrap();
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn hostile_text_is_data_and_nothing_else() {
        let data = json!({ "experiment": HOSTILE });
        let title = "</script> & <b>";
        let page = page(title, &data, &[json!([HOSTILE]).to_string()]);

        assert_eq!(found(&page, "data"), data);
        assert_eq!(found(&page, "part-0"), json!([HOSTILE]));
        // By hand: two scripts of JSON and one that runs.
        assert_eq!(page.matches("<script").count(), 3);
        assert_eq!(page.matches("</script").count(), 3);
        assert!(!page.contains('\u{2028}') && !page.contains("<!--"));
        assert!(page.contains("<title>&lt;/script&gt; &amp; &lt;b&gt;</title>"));
    }

    #[test]
    fn a_part_in_a_file_is_a_call_with_one_text() {
        let json = json!([HOSTILE]).to_string();
        let script = part_script(3, &json);

        let text = script.strip_prefix("recodePart(3, ").unwrap();
        let text = text.strip_suffix(");\n").unwrap();
        assert_eq!(serde_json::from_str::<String>(text).unwrap(), json);
        assert!(!script.contains('<') && !script.contains('\u{2028}'));
    }

    #[test]
    fn the_template_is_filled_and_scripts_cannot_end_early() {
        let page = page("x", &json!({}), &[]);

        assert!(!page.contains("{{") && page.ends_with("</html>\n"));
        for script in SCRIPTS {
            assert!(
                !script.contains("</") && !script.contains("<!--"),
                "{script}"
            );
        }
        // What the policy says is what is in the page; oracle: the hash of the text between the tags.
        let (_, rest) = page.split_once("<script>").unwrap();
        let (script, _) = rest.split_once("</script>").unwrap();
        let hash = base64(&Sha256::digest(script.as_bytes()));
        assert!(page.contains(&format!("script-src 'sha256-{hash}'")));
    }

    #[test]
    fn base_64_is_that_of_the_standard() {
        // Oracle: the test vectors of RFC 4648, section 10.
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let encoded = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        assert_eq!(texts.map(|text| base64(text.as_bytes())), encoded);
    }

    #[test]
    fn no_script_parses_text_as_html_or_code() {
        for script in SCRIPTS {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "Function(",
            ] {
                assert!(!script.contains(word), "{word}");
            }
        }
    }
}
