"""Clicks through two reports in a headless Chromium, as a person would.

    browse.py SMALL LARGE [PICTURES]     SMALL and LARGE are folders with a report.html
    browse.py --find                     prints the browser; exit code 77 if there is none

The reports are those that tests/integration/report.rs makes up. Their texts try to break out of the page.
PICTURES is a folder for screenshots.
"""

import os
import sys
import time
from pathlib import Path

from devtools import Browser, find

# The page may take so long to open, in seconds, and be so large, in bytes.
MOST_SECONDS = 2
MOST_BYTES = 20e6


def expect(holds, *about):
    if not holds:
        raise AssertionError(" ".join(map(str, about)))


def check_clean(browser, folder):
    """Nothing that was shown ran as code, nothing complained, and nothing was asked of anyone else."""
    expect(browser.complaints == [], "the console has", browser.complaints)
    expect(browser.run("typeof window.pwned") == "undefined", "a text ran as code")
    expect(browser.run("document.querySelectorAll('#pwned, img, iframe, object, embed').length") == 0, "a text became an element")
    ours = folder.resolve().as_uri()
    is_ours = lambda url: url.startswith((ours + "/", "data:", "about:"))
    others = [url for url in browser.requests if not is_ours(url)]
    expect(others == [], "the page asked for", others)


def text(browser, selector):
    return browser.run(f"document.querySelector({selector!r}).textContent")


def open_page(browser, folder):
    page = folder.resolve() / "report.html"
    expect(page.stat().st_size < MOST_BYTES, "the page has", page.stat().st_size, "bytes")
    seconds = browser.open(page.as_uri())
    expect(seconds < MOST_SECONDS, "the page took", seconds, "s")
    print(f"{folder.name}: {page.stat().st_size / 1e6:.1f} MB, {seconds:.2f} s")


def check_table(browser):
    expect("±" in text(browser, "table.results"), "the table has no figures")
    expect("95 %" in text(browser, "ul.marks"), "the marks are not explained")
    browser.click("table.results td button")
    expect("seed 42" in text(browser, ".detail"), "a cell does not say where it is from")


def check_figures(browser):
    for name in ["reward", "loss", "kl", "entropy", "gradient_norm"]:
        expect(browser.run(f"!!document.getElementById('figure-{name}')"), "there is no figure of", name)
    expect(browser.run("[...document.querySelectorAll('#figure-reward text')].some((one) => one.textContent === '0')"), "no step 0")
    browser.move("#figure-reward svg.chart")
    browser.wait("!document.querySelector('#figure-reward .values').hidden")
    shown = text(browser, "#figure-reward .values")
    expect("step " in shown and "grpo" in shown, shown)
    browser.run("document.querySelector('#figure-kl svg.chart').focus()")
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    expect("step 2" in text(browser, "#figure-kl .values"), "the arrow keys show no values")
    lines = "document.querySelectorAll('#figure-loss svg.chart polyline').length"
    before = browser.run(lines)
    browser.click("#figure-loss .legend button")
    expect(browser.run(lines) == before - 1, "a click on the legend hides no curve")
    browser.click("#figure-loss .legend button")
    before = browser.run("document.querySelector('#figure-reward polyline').getAttribute('points')")
    browser.click("#smooth")
    after = browser.run("document.querySelector('#figure-reward polyline').getAttribute('points')")
    expect(before != after, "the moving average cannot be switched off")


def check_grid(browser):
    all_lines = browser.run("document.querySelectorAll('#grid tbody tr').length")
    choose(browser, "show", "differ")
    some = browser.run("document.querySelectorAll('#grid tbody tr').length")
    expect(0 < some < all_lines, "the filter shows", some, "of", all_lines)
    choose(browser, "show", "all")
    browser.run("document.querySelector('#grid tbody td.cell button').focus()")
    browser.press("ArrowDown")
    browser.press("ArrowRight")
    where = browser.run("[document.activeElement.closest('tr').rowIndex, document.activeElement.closest('td').cellIndex]")
    first = browser.run("document.querySelector('#grid tbody td.cell').cellIndex")
    expect(where == [2, first + 1], "the arrow keys went to", where)


def choose(browser, label, value):
    browser.run(
        f"(() => {{ const label = [...document.querySelectorAll('label')].find((one) => one.firstChild.textContent === {label!r});"
        f"const list = label.querySelector('select'); list.value = {value!r}; list.dispatchEvent(new Event('change')); }})()"
    )


def check_task(browser, has_prompt):
    """Opens the cell that has the focus, with the keyboard."""
    name = browser.run("document.activeElement.closest('tr').querySelector('th').textContent")
    browser.press("Enter")
    browser.wait("document.querySelector('#task .side pre')")
    expect(text(browser, "#task h3") == name, "the cell opened", text(browser, "#task h3"))
    shown = text(browser, "#task .side")
    expect("<script>window.pwned = 1</script>" in shown, "the completion is not shown as it is")
    expect("assertion failed" in shown, "the output of the tests is not shown")
    columns = browser.run("document.querySelectorAll('#task .side .top').length")
    expect(columns == 2, "there are", columns, "completions side by side")
    if has_prompt:
        expect("note" in text(browser, "#task details pre") or len(text(browser, "#task details pre")) > 20, "there is no prompt")
        expect("def " in text(browser, "#task details:nth-of-type(2) pre"), "there is no reference solution")
    browser.press("ArrowRight")
    browser.wait(f"document.querySelector('#task h3').textContent !== {name!r}")
    browser.wait("document.querySelector('#task .side pre')")
    browser.press("ArrowLeft")
    browser.wait(f"document.querySelector('#task h3').textContent === {name!r}")
    expect("#task/" in browser.run("location.hash"), "a task has no address")


def close_task(browser):
    browser.press("Escape")
    browser.wait("!document.getElementById('task').open")


def check_training(browser):
    section = "document.getElementById('training').parentElement"
    browser.wait(f"{section}.querySelector('details')")
    browser.run(f"{section}.querySelector('details').open = true")
    browser.wait(f"{section}.querySelector('table.numbers')")
    shown = browser.run(f"{section}.querySelector('table.numbers').textContent")
    expect("correctness" in shown and "2.5" in shown, "the parts of a reward are not shown:", shown)
    expect("<script>window.pwned = 1</script>" in shown, "a completion of a training is not shown as it is")


def check_jobs(browser):
    section = "document.getElementById('jobs').parentElement"
    browser.run(f"{section}.querySelector('details').open = true")
    browser.wait(f"{section}.querySelector('details table')")
    shown = browser.run(f"{section}.querySelector('details').textContent")
    expect("train.lr.peak" in shown and "experiments/presets/tiny.toml:" in shown, "a setting does not say what set it")


def check_themes(browser):
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.is_dark(True)
    dark = browser.run(colour)
    browser.is_dark(False)
    light = browser.run(colour)
    expect(dark != light, "dark and light are the same")
    choose(browser, "theme", "dark")
    expect(browser.run(colour) == dark, "the theme cannot be chosen")
    choose(browser, "theme", "")


def pictures(browser, folder, name):
    if folder is None:
        return
    for theme in ["light", "dark"]:
        browser.is_dark(theme == "dark")
        for section in ["table", "figures", "tasks", "training", "jobs"]:
            browser.run(f"document.getElementById('{section}').scrollIntoView()")
            time.sleep(0.1)
            browser.picture(folder / f"{name}-{theme}-{section}.png")
        browser.click("#grid tbody td.cell button")
        browser.wait("document.querySelector('#task .side pre')")
        browser.picture(folder / f"{name}-{theme}-task.png")
        close_task(browser)
    browser.is_dark(False)


def main(small, large, shots):
    browser = Browser()
    try:
        browser.is_dark(False)
        open_page(browser, small)
        check_table(browser)
        check_figures(browser)
        check_grid(browser)
        check_task(browser, has_prompt=True)
        close_task(browser)
        check_training(browser)
        check_jobs(browser)
        check_themes(browser)
        check_clean(browser, small)
        pictures(browser, shots, "small")

        # Its samples are in files next to it.
        browser.requests.clear()
        open_page(browser, large)
        expect(len(os.listdir(large / "report")) > 1, "the large report has no files")
        browser.run("document.querySelector('#grid tbody td.cell button').focus()")
        check_task(browser, has_prompt=False)
        address = browser.run("location.href")
        close_task(browser)
        browser.open("about:blank")
        browser.open(address)
        browser.wait("document.querySelector('#task .side pre')")
        check_clean(browser, large)
    finally:
        browser.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["--find"]:
        print(find() or "no Chromium: install it, or name it in RECODE_CHROMIUM")
        sys.exit(0 if find() else 77)
    small, large, *shots = map(Path, sys.argv[1:])
    main(small, large, shots[0] if shots else None)
