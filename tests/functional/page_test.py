"""The administrator's page, as a person meets it: Chromium against the running node and a real Orthanc."""

import json
import os
import signal

from browser import Browser
from case import FunctionalCase, main
from dicom_tools import copy_study, dicom_files, echo, modify, series_of, store, study_uid
from processes import Process, free_port, wait_for


class Page(FunctionalCase):
    def open(self, server, view="", options="{}"):
        if not hasattr(self, "browser"):
            self.browser = Browser(self.folder)
            self.addCleanup(self.browser.stop)
        self.base = f"http://127.0.0.1:{server.admin_port}"
        self.browser.run(f"await helpers.open({options});")
        self.browser.run(f"await page.goto({json.dumps(self.base + '/#/' + view)});")
        self.browser.see("Live", "header")

    def good(self, *allowed):
        """No violation for axe-core, nothing wider than the window, no script error, nothing from outside."""
        self.assertEqual(self.browser.run("return await helpers.axe();"), [])
        wide = self.browser.run("return await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);")
        self.assertLessEqual(wide, 0)
        problems = [text for text in self.browser.run("return helpers.problems;") if not any(word in text for word in allowed)]
        self.assertEqual(problems, [])
        outside = [url for url in self.browser.run("return helpers.requests;") if not url.startswith((self.base, "data:", "blob:"))]
        self.assertEqual(outside, [])

    def test_first_look(self):
        """Nothing received yet: the page says so, in words, light and dark, on a phone and at 400 %."""
        server = self.start_node()
        self.open(server)
        self.browser.see("No study yet")
        self.browser.see("NOT FOR CLINICAL USE", "header")
        self.browser.see("No peer has deliver")
        self.browser.see("ready", "dd")
        self.good()
        self.browser.picture("first-look")
        self.open(server, "", "{ colorScheme: 'dark' }")
        self.browser.see("No study yet")
        self.good()
        self.browser.picture("first-look-dark")
        for name, options in (("phone", "{ viewport: { width: 390, height: 844 } }"),
                              ("zoom-400", "{ viewport: { width: 320, height: 256 } }")):
            for view in ("", "studies", "outbox", "peers", "problems"):
                self.open(server, view, options)
                self.browser.run("await page.getByText('Asking').first().waitFor({ state: 'hidden' });")
                self.good()
            self.open(server, "", options)
            self.browser.see("No study yet")
            self.browser.picture(name)
        # Everything within reach of the keyboard, in the order in which it is seen.
        self.open(server, "peers")
        self.browser.see("HOSPITAL")
        seen = self.browser.run("""
            const names = [];
            for (let i = 0; i < 12; ++i) {
              await page.keyboard.press('Tab');
              names.push(await page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText));
            }
            return names;""")
        self.assertEqual(seen[:8], ["To the content", "Overview", "Studies", "Outbox", "Peers", "Problems", "Figures", "Echo HOSPITAL"])
        weight = self.browser.run("""
            let bytes = 0;
            for (const path of ['/', '/page.css', '/page.js', '/node.js', '/views.js', '/htm-preact.js'])
              bytes += (await (await page.request.get(new URL(path, page.url()).href)).body()).length;
            return bytes;""")
        self.assertLess(weight, 200 * 1024)

    def test_an_answer_under_way_is_shown_though_the_node_has_changed_meanwhile(self):
        """The first list is held back until the node's state is there; the second never comes. The first must be seen."""
        server = self.start_node()
        self.assertEqual(store(server.dicom_port, dicom_files(self.phantom(64))[:1]).refused, [])  # the index has a version
        self.open(server, "peers")
        self.browser.see("HOSPITAL")
        seen = self.browser.run("""
            const address = page.url();
            await page.goto('about:blank');  // what the page before still asks for does not count
            let asked = 0;
            await page.route('**/api/v1/peers', async (route) => {
              if (++asked > 1) return;  // left without an answer
              await page.getByText('Live', { exact: true }).waitFor();
              await route.continue();
            });
            await page.goto(address);
            await page.getByRole('cell', { name: 'HOSPITAL' }).first().waitFor({ timeout: 20000 });
            await page.unrouteAll({ behavior: 'ignoreErrors' });
            return asked;""")
        self.assertGreaterEqual(seen, 1)

    def test_a_study_arrives_live_and_is_shown_whole(self):
        pacs, server = self.start_hospital({"stable_age": 60, "push": False})
        self.open(server, "studies")
        self.browser.see("No study yet")
        studies, _ = pacs.upload_folder(self.phantom(51))
        study = next(iter(studies))
        tags = pacs.get(f"/studies/{study}")
        uid = tags["MainDicomTags"]["StudyInstanceUID"]
        pacs.send(study)
        self.browser.see(uid, "td")  # without a reload
        self.browser.see("reported", "td")
        server.wait_sent(uid)
        self.good()
        self.browser.picture("studies")
        self.browser.run(f"await page.getByRole('link', {{ name: {json.dumps(uid)} }}).first().click();")
        self.browser.see("Series and their roles")
        self.browser.see("T1 with contrast")
        self.browser.run("await page.locator('img.capture').first().waitFor();")
        self.assertGreater(self.browser.run("return await page.locator('img.capture').first().evaluate((img) => img.naturalWidth);"), 200)
        self.good()
        self.browser.picture("study")
        # Identity stays hidden: neither on the page nor in what it was sent.
        name, number = tags["PatientMainDicomTags"]["PatientName"], tags["PatientMainDicomTags"]["PatientID"]
        for path in ("/api/v1/studies", f"/api/v1/studies/{uid}", "/api/v1/outbox", "/api/v1/problems", "/metrics"):
            self.assertNotIn(name, server.request(path)[1])
            self.assertNotIn(number, server.request(path)[1])
        self.assertNotIn(number, self.browser.run("return await page.content();"))
        self.browser.run("await page.getByRole('button', { name: 'Evaluate again' }).click();")
        self.browser.see("the result would be the same", "p.notice")
        log = server.process.log_text()
        for secret in (name, number, tags["PatientMainDicomTags"].get("PatientBirthDate") or name):
            self.assertNotIn(secret, log)
        server.stop()
        server.sections["admin"]["show_identity"] = True
        server.start()
        self.open(server, f"studies/{uid}")
        self.browser.see(number, "td")
        self.good("ERR_CONNECTION_REFUSED")  # of the page that was open while the node restarted

    def test_a_failed_send_is_retried_and_an_echo_says_why_it_failed(self):
        port = free_port()
        server = self.start_node(peer_port=port, peer={"deliver": "all"})
        folder = self.phantom(52)
        self.assertEqual(store(server.dicom_port, dicom_files(folder)).refused, [])
        uid = study_uid(folder)
        server.wait_study(uid, {"reported"})
        wait_for("a failed try", lambda: any(row["last_status"] for row in server.outbox(uid)), 60)
        self.open(server, "outbox")
        self.browser.see("pending", "td")
        self.good()
        self.browser.picture("outbox-waiting")
        self.open(server, "peers")
        self.browser.run("await page.getByRole('button', { name: 'Echo HOSPITAL' }).click();")
        self.browser.see("HOSPITAL:", "p.notice")
        self.assertRegex(self.browser.run("return await page.locator('p.notice.bad').innerText();"), "(?i)refused|nobody|connect")
        self.good()
        self.browser.picture("echo-failed")
        # By keyboard alone: to the outbox, to the first Retry, press it.
        self.open(server, "outbox")
        self.browser.see("pending", "td")
        self.browser.run("""
            for (let i = 0; i < 40; ++i) {
              await page.keyboard.press('Tab');
              if ((await page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? '')).startsWith('Retry object')) break;
            }
            await page.keyboard.press('Enter');""")
        self.browser.see("It is sent again now", "p.notice")
        pacs = Process("storescp", ["storescp", "-od", self.folder, str(port)], self.folder)
        self.addCleanup(pacs.stop)
        wait_for("the PACS", lambda: echo(port)[0], 30, alive=pacs.require_running)
        self.open(server, "peers")
        self.browser.run("await page.getByRole('button', { name: 'Echo HOSPITAL' }).click();")
        self.browser.see("answered", "p.notice")
        self.open(server, "outbox")
        self.browser.see("sent", "td")
        self.good()

    def test_a_parked_study_is_released(self):
        """Two identities in one study: the page says what to decide; released, it is evaluated; the log names the release."""
        server = self.start_node(peer={"deliver": "none"})
        folder = copy_study(self.phantom(53), os.path.join(self.folder, "mixed"))
        modify(next(iter(series_of(folder).values())), PatientID="SOMEBODY-ELSE")
        self.assertEqual(store(server.dicom_port, dicom_files(folder)).refused, [])
        uid = study_uid(folder)
        server.wait_study(uid, {"parked"})
        self.open(server, f"studies/{uid}")
        self.browser.see("This study is parked")
        self.good()
        self.browser.picture("parked")
        self.browser.run("await page.getByLabel(/What you found/).fill('number corrected at the front desk');")
        self.browser.run("await page.getByRole('button', { name: /^Release/ }).click();")
        self.browser.see("the study goes on", "p.notice")
        record = server.wait_study(uid, {"reported"})
        self.assertEqual(record["revision"], 1)
        self.assertIn(f"/api/v1/studies/{uid}/release", server.process.log_text())
        self.assertNotIn("SOMEBODY-ELSE", server.process.log_text())
        self.good()

    def test_the_node_goes_away_and_the_page_says_so(self):
        server = self.start_node()
        self.open(server)
        server.process.process.send_signal(signal.SIGKILL)
        self.browser.see("No answer from the node", "header")
        self.browser.picture("node-away")
        server.process.process.wait()
        server.start()
        self.browser.see("Live", "header")


if __name__ == "__main__":
    main()
