#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Pages in headless Chromium, without a network: they draw, filter, link, save, and say nothing on the console.

usage: test-browser.py FAKES MAKER PLAIN_MAKER MMLAB
"""
import os
import random
import shutil
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

from sample import FAKE, IPC, PLAIN, Folder, changed, poison

import browser


class InBrowser(Folder):
    @classmethod
    def setUpClass(cls):
        cls.downloads = tempfile.mkdtemp(prefix="mmlab-browser-")
        cls.browser = browser.Browser(cls.downloads)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        shutil.rmtree(cls.downloads, ignore_errors=True)

    def show(self, *results, width=1200, **more):
        self.make(*results, **more)
        self.browser.size(width, 900)
        self.browser.media()
        self.browser.open(os.path.join(self.folder, "page.html"))
        return self.browser

    def tearDown(self):
        self.assertEqual([said for said in self.browser.console() if "willReadFrequently" not in said], [])

    def test_zoom(self):
        page = self.show(IPC)
        if page.run("return typeof uPlot") != "function":
            self.skipTest("built without the chart library")
        page.run("document.querySelector('.tools button').focus()")
        page.press("\ue007")
        drawn = ("var c = document.querySelector('.chart canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data,"
                 "s = new Set(); for (var i = 0; i < d.length; i += 4) if (d[i + 3]) s.add(d[i] + ' ' + d[i + 1] + ' ' + d[i + 2]);"
                 "return s.size")
        for _ in range(50):
            if page.run(drawn) > 20:
                break
            time.sleep(0.1)
        self.assertGreater(page.run(drawn), 20, "nothing is drawn")
        self.assertEqual(page.run("return getComputedStyle(document.querySelector('.panel > svg')).display"), "none")
        self.assertRegex(page.run("return document.querySelector('.chart').innerText"), r"\Aexecution: ")
        page.run("document.querySelector('.chart').focus()")
        page.press("\ue014")
        legend = page.run("return document.querySelector('.u-legend').textContent")
        self.assertIn("16K", legend)
        self.assertRegex(legend, r"copy[0-9.]+ [num]?s")
        page.run("document.querySelector('.tools button').click()")
        self.assertNotEqual(page.run("return getComputedStyle(document.querySelector('.panel > svg')).display"), "none")

    def test_filter(self):
        page = self.show(IPC)
        visible = "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility() && getComputedStyle(e).display !== 'none').map(e => e.dataset.c)"
        everything = set(page.run(visible, "tr[data-c]"))
        self.assertIn("memfd-fresh", everything)
        page.run("document.getElementById('filter').focus()")
        for key in "MPROT":
            page.press(key)
        self.assertEqual(set(page.run(visible, "tr[data-c]")), {"mprotect"})
        self.assertEqual(set(page.run(visible, "g[data-c]")), {"mprotect"})
        self.assertRegex(page.run("return document.getElementById('found').textContent"), "1 of")
        page.run("var f = document.getElementById('filter'); f.value = ''; f.dispatchEvent(new Event('input'))")
        self.assertEqual(set(page.run(visible, "tr[data-c]")), everything)

    def test_links(self):
        page = self.show(IPC, FAKE)
        for target in page.run("return [...document.querySelectorAll('nav a')].map(a => a.hash)"):
            page.run("document.querySelector('nav a[href=\"' + arguments[0] + '\"]').click()", target)
            self.assertEqual(page.run("return location.hash"), target)
            top = page.run("return document.querySelector(':target').getBoundingClientRect().top")
            self.assertTrue(-1 <= top < 900, f"{target} is not in sight")

    def test_saving(self):
        page = self.show(IPC)
        page.run("[...document.querySelectorAll('.tools button')].find(b => b.textContent === 'Save PNG').click();"
                 "[...document.querySelectorAll('.tools button')].find(b => b.textContent === 'Save SVG').click()")
        png, svg = page.downloaded("ipc-time-by-size.png"), page.downloaded("ipc-time-by-size.svg")
        self.assertEqual((png or b"")[:8], b"\x89PNG\r\n\x1a\n")
        self.assertGreater(len(png), 10000)
        text = "\n".join(xml.etree.ElementTree.fromstring(svg).itertext())
        self.assertIn("execution: ", text)
        self.assertIn("#1b6ca8", text)
        self.assertNotIn("var(", text)

    def test_narrow(self):
        page = self.show(IPC, changed(IPC, kernel="9.9.9", id="20260101T000000Z-00000001"), width=360)
        self.assertLessEqual(page.run("return document.documentElement.scrollWidth"), 360)

    def test_dark_and_paper(self):
        page = self.show(IPC)
        light = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]].match(/[0-9]+/g).slice(0, 3).reduce((a, b) => +a + +b, 0)"
        self.assertGreater(page.run(light, "body", "backgroundColor"), 600)
        self.assertGreater(page.run(light, ".paper", "fill"), 600)
        page.media(scheme="dark")
        self.assertLess(page.run(light, "body", "backgroundColor"), 200)
        self.assertLess(page.run(light, ".paper", "fill"), 200)
        self.assertGreater(page.run(light, ".picture .title", "fill"), 500)
        page.media("print", "dark")
        self.assertGreater(page.run(light, "body", "backgroundColor"), 600)
        self.assertGreater(page.run(light, ".paper", "fill"), 600)
        for hidden in ("nav", ".tools"):
            self.assertEqual(page.run("return getComputedStyle(document.querySelector(arguments[0])).display", hidden), "none")
        page.media()

    def test_hostile_texts_are_texts(self):
        for seed in (1, 5):
            page = self.show(poison(random.Random(seed)))
            page.run("document.querySelectorAll('.tools button:first-child').forEach(function (b) { b.click(); });")
            self.assertIsNone(page.run("return window.pwned"))

    def test_without_the_chart_library(self):
        page = self.show(IPC, maker=PLAIN)
        self.assertEqual(page.run("return typeof uPlot"), "undefined")
        self.assertGreater(page.run("return document.querySelectorAll('.tools button').length"), 2)

    def test_history(self):
        page = self.show(self.history())
        self.assertGreater(page.run("return document.querySelectorAll('#history ~ figure svg').length"), 0)


if __name__ == "__main__":
    if browser.missing():
        print(f"{browser.missing()} is not installed: scripts/packages install test")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
