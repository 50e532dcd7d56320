def double(event):
    return {"n": event.get("n", 0) * 2}
