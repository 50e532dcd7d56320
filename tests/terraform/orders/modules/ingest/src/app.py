import os


def handler(event, context):
    """Writes what arrives to the stream."""
    return {"landing": os.environ["LANDING"], "records": len(event.get("records", []))}
