//! Percent-encoding, as URLs and S3's events use it.

/// Encodes all but letters, digits and `-`, `_`, `.`, `~`: safe in a path's segment and in a query.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            other => {
                encoded.push('%');
                encoded.push_str(&hex::encode_upper([other]));
            }
        }
    }
    encoded
}

/// A key as S3's events hold it: form-encoded, with `/` left as it is.
pub fn encode_key(key: &str) -> String {
    encode(key).replace("%2F", "/").replace("%20", "+")
}

/// Decodes a form-encoded text: `%41` is `A` and `+` a space. What is no code stands for itself; bytes that are not
/// UTF-8 become U+FFFD.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let code = (byte == b'%').then(|| bytes.get(i + 1..i + 3)).flatten().and_then(|two| {
            let mut value = [0_u8];
            hex::decode_to_slice(two, &mut value).ok().map(|()| value[0])
        });
        if let Some(value) = code {
            decoded.push(value);
            i += 3;
        } else {
            decoded.push(if byte == b'+' { b' ' } else { byte });
            i += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn decoding_undoes_encoding(text: String) {
            proptest::prop_assert_eq!(decode(&encode(&text)), text);
        }
    }

    #[test]
    fn what_is_no_code_stands_for_itself() {
        assert_eq!(decode("a+b%2Fc%20d%zz%4"), "a b/c d%zz%4");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }
}
