//! Public SSH keys: one line of OpenSSH's `authorized_keys`, checked so that it stays one line.

use crate::Invalid;

/// Longest line, in octets: an RSA key of 16384 bits with a comment fits.
pub const SSH_KEY_MAX_OCTETS: usize = 4096;

const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Checks a public key line (`ssh-ed25519 AAAA... comment`, RFC 4253 section 6.6) and returns it
/// without the space around it. The key blob must name the same algorithm as the line.
pub fn parse(text: &str) -> Result<String, Invalid> {
    let line = text.trim();
    if line.len() > SSH_KEY_MAX_OCTETS || line.chars().any(char::is_control) {
        return Err(Invalid::new(
            "ssh_key_line",
            format!("a public key is one line of at most {SSH_KEY_MAX_OCTETS} characters"),
        ));
    }
    let mut words = line.split(' ').filter(|w| !w.is_empty());
    let (kind, blob) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if line.contains("PRIVATE KEY") {
        return Err(Invalid::new(
            "ssh_key_private",
            "this is a private key; send the line of the .pub file and renew the key",
        ));
    }
    if !KINDS.contains(&kind) {
        return Err(Invalid::new(
            "ssh_key_kind",
            format!("the line does not start with a known key type ({})", KINDS.join(", ")),
        ));
    }
    let bytes =
        decode_base64(blob).ok_or_else(|| Invalid::new("ssh_key_blob", "the second word of the line is not base64"))?;
    let named = bytes.get(..4).map(|l| u32::from_be_bytes([l[0], l[1], l[2], l[3]]) as usize);
    if named.and_then(|len| bytes.get(4..4 + len)) != Some(kind.as_bytes()) || bytes.len() < kind.len() + 4 + 32 {
        return Err(Invalid::new(
            "ssh_key_blob",
            "the key is damaged: its data does not name the type the line starts with",
        ));
    }
    Ok(line.to_owned())
}

/// Standard base64 with padding (RFC 4648 section 4); `None` where the text is not that.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 || body.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in body.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ama@lome";

    #[test]
    fn keys_are_checked() {
        assert_eq!(parse(&format!(" {GOOD}\n")).unwrap(), GOOD);
        for (text, rule) in [
            ("", "ssh_key_kind"),
            ("hello world", "ssh_key_kind"),
            ("ssh-ed25519 ####", "ssh_key_blob"),
            ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", "ssh_key_blob"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "ssh_key_blob"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh_key_private"),
            ("ssh-ed25519 AAAA\nssh-ed25519 BBBB", "ssh_key_line"),
        ] {
            assert_eq!(parse(text).unwrap_err().rule, rule, "{text:?}");
        }
    }
}
