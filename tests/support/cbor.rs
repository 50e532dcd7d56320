//! As much CBOR as CloudWatch speaks ("rpcv2Cbor"), from JSON and to it. A time is `{"$time": seconds}`.

#![allow(clippy::decimal_bitwise_operands, reason = "the format's own description counts so")]

use serde_json::{Map, Number, Value, json};

/// A value as CBOR.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn head(major: u8, n: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match n {
        0..24 => out.push(major | n as u8),
        24..256 => out.extend([major | 24, n as u8]),
        256..65_536 => {
            out.push(major | 25);
            out.extend((n as u16).to_be_bytes());
        }
        65_536..4_294_967_296 => {
            out.push(major | 26);
            out.extend((n as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(n.to_be_bytes());
        }
    }
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(b) => out.push(if *b { 0xf5 } else { 0xf4 }),
        Value::Number(n) if n.is_u64() => head(0, n.as_u64().unwrap(), out),
        Value::Number(n) if n.is_i64() => head(1, n.as_i64().unwrap().unsigned_abs() - 1, out),
        Value::Number(n) => {
            out.push(0xfb);
            out.extend(n.as_f64().unwrap().to_be_bytes());
        }
        Value::String(text) => {
            head(3, text.len() as u64, out);
            out.extend(text.as_bytes());
        }
        Value::Array(all) => {
            head(4, all.len() as u64, out);
            for v in all {
                write(v, out);
            }
        }
        Value::Object(map) => {
            if let Some(time) = map.get("$time") {
                head(6, 1, out);
                return write(time, out);
            }
            head(5, map.len() as u64, out);
            for (key, value) in map {
                head(3, key.len() as u64, out);
                out.extend(key.as_bytes());
                write(value, out);
            }
        }
    }
}

/// What CBOR holds.
pub fn decode(mut bytes: &[u8]) -> Value {
    read(&mut bytes).unwrap_or_default()
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(n);
    *bytes = rest;
    taken
}

/// The next value; none at a break.
fn read(bytes: &mut &[u8]) -> Option<Value> {
    let first = take(bytes, 1)[0];
    let (major, low) = (first >> 5, first & 31);
    if first == 0xff {
        return None;
    }
    let n = match low {
        24 => u64::from(take(bytes, 1)[0]),
        25 => u64::from(u16::from_be_bytes(take(bytes, 2).try_into().unwrap())),
        26 => u64::from(u32::from_be_bytes(take(bytes, 4).try_into().unwrap())),
        27 => u64::from_be_bytes(take(bytes, 8).try_into().unwrap()),
        31 => u64::MAX,
        small => u64::from(small),
    };
    Some(match major {
        0 => json!(n),
        1 => json!(-1 - n as i64),
        2 | 3 => Value::String(String::from_utf8_lossy(take(bytes, n as usize)).into_owned()),
        4 => {
            let mut all = Vec::new();
            while (all.len() as u64) < n {
                let Some(value) = read(bytes) else { break };
                all.push(value);
            }
            Value::Array(all)
        }
        5 => {
            let mut map = Map::new();
            while (map.len() as u64) < n {
                let Some(Value::String(key)) = read(bytes) else { break };
                map.insert(key, read(bytes).unwrap());
            }
            Value::Object(map)
        }
        6 => json!({"$time": read(bytes).unwrap()}),
        _ => match first {
            0xf4 => json!(false),
            0xf5 => json!(true),
            0xfa => Number::from_f64(f64::from(f32::from_bits(n as u32))).map_or(Value::Null, Value::Number),
            0xfb => Number::from_f64(f64::from_bits(n)).map_or(Value::Null, Value::Number),
            _ => Value::Null,
        },
    })
}
