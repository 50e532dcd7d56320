//! Messages of AWS's event streams.

use serde_json::Value;

/// One event: its type, and its payload.
pub fn event(kind: &str, payload: &Value) -> Vec<u8> {
    message(&[(":message-type", "event"), (":event-type", kind), (":content-type", "application/json")], payload)
}

/// An exception: its type, and its payload.
pub fn exception(kind: &str, payload: &Value) -> Vec<u8> {
    message(
        &[(":message-type", "exception"), (":exception-type", kind), (":content-type", "application/json")],
        payload,
    )
}

fn message(headers: &[(&str, &str)], payload: &Value) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, value) in headers {
        encoded.push(u8::try_from(name.len()).unwrap());
        encoded.extend(name.as_bytes());
        // A string.
        encoded.push(7);
        encoded.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        encoded.extend(value.as_bytes());
    }
    let payload = payload.to_string();
    let length = u32::try_from(16 + encoded.len() + payload.len()).unwrap();
    let mut out = length.to_be_bytes().to_vec();
    out.extend(u32::try_from(encoded.len()).unwrap().to_be_bytes());
    out.extend(crc32(&out).to_be_bytes());
    out.extend(encoded);
    out.extend(payload.as_bytes());
    out.extend(crc32(&out).to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
