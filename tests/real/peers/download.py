#!/usr/bin/env python3
# Has Chromium go to a file through the proxy: waits until a page shows how far the file is, takes a picture of it, lets the
# origin go on by making the file --release, and waits until the page says --words. What is saved goes to --directory.
import argparse
import base64
import json
import os
import subprocess
import sys
import time

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --proxy-bypass-list=<-loopback> "
    "--remote-debugging-pipe --window-size=900,640"
).split()


class Browser:
    """Chromium, spoken to over two pipes: messages in JSON, each with a zero byte behind it."""

    def __init__(self, proxy, profile):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()

        def hand_over():
            # Through others first: 3 and 4 may be among those that are handed over.
            os.dup2(commands, 30), os.dup2(answers, 31)
            os.dup2(30, 3), os.dup2(31, 4)

        flags = [*FLAGS, f"--proxy-server=http://{proxy}", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(["chromium", *flags], preexec_fn=hand_over, close_fds=False)
        os.close(commands), os.close(answers)
        self.number, self.unread, self.session = 0, b"", None

    def call(self, method, **parameters):
        """What it answers; events meanwhile are passed over."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.unread:
                more = os.read(self.answers, 1 << 20)
                if not more:
                    sys.exit("the browser went")
                self.unread += more
            one, self.unread = self.unread.split(b"\0", 1)
            answer = json.loads(one)
            if answer.get("id") == self.number:
                return answer["result"] if "result" in answer else sys.exit(f"{method}: {answer}")

    def window(self):
        """Opens one; what follows is said to it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def wait_for_words(self, words, source):
        """Waits until what `source` evaluates to has them in it."""
        text = None
        for _ in range(300):
            text = self.call("Runtime.evaluate", expression=source)["result"].get("value")
            if text and words in text:
                return
            time.sleep(0.1)
        sys.exit(f"no {words!r} in {text!r}")


def main():
    options = argparse.ArgumentParser()
    for name in ("proxy", "directory", "profile", "release", "picture", "words"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("url")
    options = options.parse_args()
    browser = Browser(options.proxy, options.profile)
    try:
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=options.directory)
        browser.window()
        browser.call("Page.enable")
        browser.call("Page.navigate", url=options.url)
        far = "getComputedStyle(document.querySelector('.far') ?? document.body, '::after').content"
        browser.wait_for_words(" of ", far)
        picture = browser.call("Page.captureScreenshot")["data"]
        with open(options.picture, "wb") as file:
            file.write(base64.b64decode(picture))
        open(options.release, "w").close()
        browser.wait_for_words(options.words, "document.body.innerText")
        # A download goes on when its window is gone, and ends with the browser.
        deadline = time.monotonic() + 20
        saved = os.path.join(options.directory, options.url.rsplit("/", 1)[1])
        while options.words.startswith("nothing") and not os.path.exists(saved) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        browser.process.kill()
        browser.process.wait()


main()
