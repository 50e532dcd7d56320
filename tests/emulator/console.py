"""The console in a terminal of its own."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

import pyte

COLUMNS, ROWS = 140, 40


class Console:
    """A program in a pty, and what is on its screen."""

    def __init__(self, arguments, environment, columns=COLUMNS, rows=ROWS):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.clear()
            os.environ.update(environment, TERM="xterm-256color", LANG="C.UTF-8")
            os.execvp(arguments[0], arguments)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        if b"\x1b[6n" in data:
            os.write(self.fd, b"\x1b[1;1R")
        if b"\x1b[c" in data:
            os.write(self.fd, b"\x1b[?62;c")
        self.stream.feed(data)
        return bool(data)

    def text(self):
        return "\n".join(self.screen.display)

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def see(self, *words, seconds=30):
        """Waits until all these words are on the screen together."""
        end = time.monotonic() + seconds
        while not all(word in self.text() for word in words):
            assert time.monotonic() < end, f"{words} are not on the screen:\n{self.text()}"
            self._read(0.1)
        return self.text()

    def see_no(self, word, seconds=30):
        """Waits until this is not on the screen any more."""
        end = time.monotonic() + seconds
        while word in self.text():
            assert time.monotonic() < end, f"{word} is still on the screen:\n{self.text()}"
            self._read(0.1)

    def close(self):
        """Quits it, and returns its exit status."""
        self.press("q")
        return self.ended()

    def kill(self):
        """Ends it where it still runs, as after a test that has failed."""
        if self.fd is not None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
            self._closed()

    def _closed(self):
        os.close(self.fd)
        self.fd = None

    def ended(self):
        """Its exit status, once it has ended by itself."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            self._read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._closed()
                return os.waitstatus_to_exitcode(status)
        self.kill()
        raise AssertionError(f"it did not end:\n{self.text()}")
