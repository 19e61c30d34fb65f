"""A system at which Ctrl-C is pressed while it is recorded."""

import signal


class Press:
    """A system that presses Ctrl-C when it advances from `at`."""

    def __init__(self, system, at):
        self.system, self.at = system, at

    def __getattr__(self, attribute):
        return getattr(self.system, attribute)

    def advance(self, phase, start, *arguments, **keywords):
        if start == self.at:
            signal.raise_signal(signal.SIGINT)
        return self.system.advance(phase, start, *arguments, **keywords)
