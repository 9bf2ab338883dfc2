# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium without a window, driven over a pipe."""

import base64
import contextlib
import itertools
import json
import os
import subprocess
import time

import fixtures

#: Seconds for anything on a busy machine.
PATIENCE = 120


class Browser(fixtures.Fixture):
    """One page of a Chromium that reaches no network."""

    def _setUp(self):
        profile = self.useFixture(fixtures.TempDir()).path
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self.process = subprocess.Popen(
            # Chromium reads descriptor 3 and writes descriptor 4.
            ['sh', '-c', f'exec chromium "$@" 3<&{theirs_in} 4>&{theirs_out}',
             'sh', '--headless=new', '--no-sandbox', '--disable-gpu',
             '--disable-dev-shm-usage', '--remote-debugging-pipe',
             '--host-resolver-rules=MAP * ~NOTFOUND', '--no-first-run',
             f'--user-data-dir={profile}', 'about:blank'],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, 'HOME': profile})
        self.addCleanup(self.process.wait, 30)
        self.addCleanup(self.process.kill)
        os.close(theirs_in)
        os.close(theirs_out)
        self._in = os.fdopen(ours_in, 'rb')
        self._out = os.fdopen(ours_out, 'wb')
        self.addCleanup(self._in.close)
        self.addCleanup(self._out.close)
        self._numbers = itertools.count(1)
        self._session = None
        self.events = []
        target = self.send('Target.createTarget', url='about:blank')
        self._session = self.send(
            'Target.attachToTarget', targetId=target['targetId'],
            flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            self.send(f'{domain}.enable')

    def send(self, method, **params):
        """Send a command of the protocol and return its result."""
        number = next(self._numbers)
        message = {'id': number, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        self._out.write(json.dumps(message).encode() + b'\0')
        self._out.flush()
        while True:
            answer = self._receive()
            if answer.get('id') == number:
                if 'error' in answer:
                    raise AssertionError(answer['error'])
                return answer['result']
            self.events.append(answer)

    def _receive(self):
        data = bytearray()
        while (byte := self._in.read(1)) != b'\0':
            if not byte:
                raise AssertionError('the browser has ended')
            data += byte
        return json.loads(data)

    def run(self, script):
        """Run JavaScript in the page and return its value."""
        result = self.send('Runtime.evaluate', expression=script,
                           returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise AssertionError(result['exceptionDetails'])
        return result['result'].get('value')

    def open(self, path, dark=False, width=1200, height=900):
        """Open a file; return the seconds until the page is ready."""
        self.send('Emulation.setDeviceMetricsOverride', width=width,
                  height=height, deviceScaleFactor=1, mobile=width < 600)
        self.send('Emulation.setEmulatedMedia', features=[{
            'name': 'prefers-color-scheme',
            'value': 'dark' if dark else 'light'}])
        start = time.monotonic()
        self.send('Page.navigate', url=f'file://{path}')
        self.wait('document.body && document.body.dataset.ready === "yes"')
        return time.monotonic() - start

    def wait(self, condition):
        """Wait until a condition of JavaScript holds."""
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(AssertionError):
                if self.run(condition):
                    return
            if time.monotonic() > end:
                raise AssertionError(condition)
            time.sleep(.02)

    def fill(self, selector, text):
        """Type into a field as a user does, after what is in it."""
        self.run(f'document.querySelector({json.dumps(selector)}).select()')
        self.run(f'document.querySelector({json.dumps(selector)}).focus()')
        self.send('Input.insertText', text=text)

    def click(self, selector):
        """Click into the middle of an element."""
        x, y = self.run(f'''(() => {{
            const node = document.querySelector({json.dumps(selector)});
            node.scrollIntoView({{block: 'center', inline: 'center'}});
            const box = node.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()''')
        for kind in ('mousePressed', 'mouseReleased'):
            self.send('Input.dispatchMouseEvent', type=kind, x=x, y=y,
                      button='left', clickCount=1)

    def screenshot(self):
        """Return the page as it is seen, as PNG."""
        return base64.b64decode(
            self.send('Page.captureScreenshot', format='png')['data'])

    def errors(self):
        """Return what the page has complained of or requested."""
        return [event for event in self.events if event.get('method') in (
            'Runtime.exceptionThrown', 'Log.entryAdded',
            'Page.javascriptDialogOpening')
            or (event.get('method') == 'Network.requestWillBeSent'
                and not event['params']['request']['url'].startswith(
                    'file:'))]
