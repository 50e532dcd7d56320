import lib.helper


def handler(event, context):
    return lib.helper.double(event)
