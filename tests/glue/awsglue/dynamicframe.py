"""A frame that a source gives."""


class DynamicFrame:
    """Only a wrapper here; Glue's holds records that describe themselves."""

    def __init__(self, frame):
        self._frame = frame

    def toDF(self):
        return self._frame

    def count(self):
        return self._frame.count()
