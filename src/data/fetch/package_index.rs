//! The page on which an index of Python packages lists the files of a project.

/// The address of a file on such a page, which is at `page`; none if it is not listed.
///
/// The format is that of PEP 503, which every index has: links whose last part is the name of the file.
pub(super) fn link(html: &str, page: &str, file: &str) -> Option<String> {
    let mut rest = html;
    while let Some((_, after)) = rest.split_once("href=") {
        let quote = after.chars().next().filter(|mark| "\"'".contains(*mark));
        let Some((link, after)) = quote.and_then(|mark| after.get(1..)?.split_once(mark)) else {
            rest = after;
            continue;
        };
        rest = after;
        let address = link.split('#').next().unwrap_or(link).replace("&amp;", "&");
        let name = address.split('?').next()?.rsplit('/').next();
        if name == Some(file) {
            return Some(joined(page, &address));
        }
    }
    None
}

/// An address that may be relative to a page.
fn joined(page: &str, address: &str) -> String {
    let Some((scheme, rest)) = page.split_once("://") else {
        return address.to_owned();
    };
    if address.contains("://") {
        return address.to_owned();
    }
    if let Some(whole) = address.strip_prefix("//") {
        return format!("{scheme}://{whole}");
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(path) = address.strip_prefix('/') {
        return format!("{scheme}://{host}/{path}");
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("{scheme}://{host}/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{fuzz, law};

    #[test]
    fn pages_are_read_or_have_no_link() {
        let page = "<a href=\"../../p/x-1.whl#sha256=0\">x</a> <a href='é/x-1.whl?a=&amp;'>x</a>";
        fuzz(1, &[page], |case| {
            let found = link(&case.text(), "https://i/simple/x/", "x-1.whl");
            law(
                found.is_none_or(|address| address.contains("x-1.whl")),
                "a link is to the file",
            )
        });
    }

    #[test]
    fn links_are_those_of_the_simple_index() {
        // Oracle: PEP 503, and the addresses that pip 25 resolves for such pages.
        let page = "https://i/simple/x/";
        let of = |link_text: &str| {
            let html = format!(
                "<a href=\"https://f/x-1.tar.gz#sha256=0\">x-1.tar.gz</a><br/>\n<a data-x href='{link_text}'>x</a>"
            );
            link(&html, page, "x-1.whl")
        };
        for (written, expected) in [
            ("https://f/p/x-1.whl#sha256=ab", "https://f/p/x-1.whl"),
            ("//f/x-1.whl", "https://f/x-1.whl"),
            ("/p/x-1.whl", "https://i/p/x-1.whl"),
            ("../../p/x-1.whl", "https://i/p/x-1.whl"),
            ("x-1.whl?a=1&amp;b=2", "https://i/simple/x/x-1.whl?a=1&b=2"),
        ] {
            assert_eq!(of(written).as_deref(), Some(expected), "{written}");
        }
        assert_eq!(of("https://f/x-2.whl"), None);
        assert_eq!(link("<a href=x-1.whl", page, "x-1.whl"), None);
    }
}
