//! User data: what a tenant sends for cloud-init, and the bytes its guest gets.
//!
//! cloud-init reads text that starts with one of its own words, a MIME message, or gzip of those. Tools encode it
//! in base64 so that it passes through JSON (Terraform's `cloudinit_config` does by default, as do scripts
//! written for clouds that want base64). A text that is base64 of something cloud-init reads means nothing to
//! cloud-init itself, so it is decoded; every other text stays as it is. Bytes of any kind are sent as base64
//! that is declared as such.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Longest user data, in octets: of text as it is sent, of declared base64 once it is decoded.
pub const USER_DATA_MAX_OCTETS: usize = 64 * 1024;

/// Tools leave padding out or break lines; both are read.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How text starts that cloud-init reads, in lower case (`cloudinit/handlers`, `INCLUSION_TYPES_MAP`).
const STARTS: [&str; 12] = [
    "#!",
    "#cloud-config",
    "#cloud-config-archive",
    "#cloud-config-jsonp",
    "#cloud-boothook",
    "#include",
    "#part-handler",
    "#upstart-job",
    "## template:",
    "content-type:",
    "mime-version:",
    "from ",
];
const GZIP: &[u8] = b"\x1f\x8b";

/// Decodes base64 (RFC 4648, section 4), with line breaks and with or without padding.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    LENIENT.decode(packed).ok()
}

/// The bytes a guest gets of user data that was sent as `text`.
pub fn for_guest(text: &str, is_base64: bool) -> Vec<u8> {
    let decoded = || decode(text).filter(|bytes| is_base64 || is_for_cloud_init(bytes));
    decoded().unwrap_or_else(|| text.as_bytes().to_vec())
}

fn is_for_cloud_init(bytes: &[u8]) -> bool {
    if bytes.starts_with(GZIP) {
        return true;
    }
    let head = &bytes[..bytes.len().min(64)];
    let head = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    STARTS.iter().any(|start| head.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn what_cloud_init_reads_is_decoded_and_nothing_else() {
        let gzip: &[u8] = b"\x1f\x8b\x08\0 and so on";
        for bytes in
            [gzip, b"#cloud-config\n", b"#!/bin/sh\n", b"Content-Type: multipart/mixed", b"## template: jinja\n"]
        {
            let text = BASE64_STANDARD.encode(bytes);
            assert_eq!(for_guest(&text, false), bytes);
            assert_eq!(for_guest(&format!("{text}\n"), false), bytes);
            assert_eq!(for_guest(text.trim_end_matches('='), false), bytes, "without padding");
            let lines: Vec<_> = text.as_bytes().chunks(7).map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!(for_guest(&lines.join("\r\n"), false), bytes, "in lines");
        }
        for text in ["#cloud-config\n{}\n", "#!/bin/sh\necho hi\n", "", "aGVsbG8=", "hello", "Content-Type: text/x\n\n"]
        {
            assert_eq!(for_guest(text, false), text.as_bytes(), "{text:?}");
        }
        let binary = [0, 1, 2, 0xff];
        let text = BASE64_STANDARD.encode(binary);
        assert_eq!(for_guest(&text, false), text.as_bytes());
        assert_eq!(for_guest(&text, true), binary);
    }
}
