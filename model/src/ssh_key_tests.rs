//! Keys as ssh-keygen makes them and as people break them.

use super::*;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7yj2H7NPDUcL2jtZW2xiFcqF4l5L48SmcNUXANJPwu ama@lomé 東京";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDLL1vHDWYFj+jRFHLs51NQHHMqCwB4wWjjXaNeRLrkWeG4L8wamJiagvaT1EIYySOvlxFNiFwU27aosO7YL+COcNzV1RAyp0YnUEBq4WOkPgaTytcpFGKtQ1x3slBVfxZIPFUrjmALWdJ/K41x6crPFcsd0l14b2cW/288FnspWt3S8Fe1/bnCumwHZhqA8q+gldKeYXbml2PtJVoKZlSnNZxlJ/GBaZTiB/sffCOA7EEV/T2QDqwZuH16razocrB6A488MtydmD26UXwiMODgKUKCm8WWgyhqxREB3p3JvX0Q5qra56dNZQ3Fw91wEwsbWAOE1zvMIEhYtQ4wW/uX ama@lomé 東京";
const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLYjhv0oTvOtM2TYME/yoF0XmpP8Vf2FPqbrV0MbnO53PnX1CGVk1rTqRNsXyKwIXskJo3kEZRptWOotnbpEJh0= ama@lomé 東京";
const P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBFTImPkLWeQMeGlN45nB7ODQUMWUD50m5SLAztS+sQRArXuTiAv3BeMsPzDGZES1Ba9mLBn9fc/q27V47g6DOraK211U1jdsAvyZh1IQSnnojsM7acArveTyzx99bIjUGg== ama@lomé 東京";
const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAH2k3tKmJcx9CTDCDhBE9M1wkwofXLeXnZaQlGC9p30SKt/5jVTHsycH3bFmO1QSniH5cbOtPGRAnYqg8c/Bpa4sQCLFH9O343A1dWsuYNk6Enb8qFSYvU7b0zBmqwfpCISymvS4WthiMFfmWddjwSgvt85kseZLqQS/S2sv15rxnCv3w== ama@lomé 東京";

fn made(kind: &str, strings: &[&[u8]]) -> String {
    let mut octets = vec![];
    for string in strings {
        octets.extend(u32::try_from(string.len()).unwrap().to_be_bytes());
        octets.extend(*string);
    }
    format!("{kind} {}", STANDARD.encode(octets))
}

/// A line whose blob is changed.
fn with_blob(line: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (kind, rest) = line.split_once(' ').unwrap();
    let mut octets = blob(rest.split(' ').next().unwrap()).unwrap();
    change(&mut octets);
    format!("{kind} {}", STANDARD.encode(octets))
}

fn rule(line: &str) -> &'static str {
    parse(line).map_or_else(|invalid| invalid.rule, |_| "taken")
}

#[test]
fn what_openssh_takes_is_taken() {
    for line in [ED25519, RSA, P256, P384, P521] {
        assert_eq!(parse(line).as_deref(), Ok(line));
        assert_eq!(parse(&format!("  {line}\r\n")).as_deref(), Ok(line));
        assert_eq!(parse(&line.replacen(' ', "\t", 1)).as_deref(), Ok(line));
        assert_eq!(parse(&line.replacen(' ', "   ", 1)).as_deref(), Ok(line));
        let bare = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        assert_eq!(parse(&bare), Ok(bare.clone()));
    }
    let sk = "sk-ssh-ed25519@openssh.com";
    assert_eq!(rule(&made(sk, &[sk.as_bytes(), &[7; 32], b"ssh:"])), "taken");
    let octets = blob(P256.split(' ').nth(1).unwrap()).unwrap();
    let sk = "sk-ecdsa-sha2-nistp256@openssh.com";
    let point = &octets[octets.len() - 65..];
    assert_eq!(rule(&made(sk, &[sk.as_bytes(), b"nistp256", point, b"ssh:work"])), "taken");
}

#[test]
fn a_blob_that_was_cut_or_grown_is_refused() {
    for line in [ED25519, RSA, P256, P384, P521] {
        let whole = blob(line.split(' ').nth(1).unwrap()).unwrap().len();
        for cut in 1..whole {
            assert_eq!(rule(&with_blob(line, |octets| octets.truncate(cut))), "ssh_key_blob", "{line} cut to {cut}");
        }
        for more in 1..24 {
            assert_eq!(rule(&with_blob(line, |octets| octets.resize(whole + more, 0))), "ssh_key_blob");
        }
    }
}

#[test]
fn numbers_and_points_must_be_right() {
    for line in [P256, P384, P521] {
        assert_eq!(rule(&with_blob(line, |octets| *octets.last_mut().unwrap() ^= 1)), "ssh_key_blob", "off the curve");
    }
    let rsa = |e: &[u8], n: &[u8]| rule(&made("ssh-rsa", &[b"ssh-rsa", e, n]));
    let long = |octets: usize| [vec![0, 0x80], vec![1; octets - 1]].concat();
    assert_eq!(rsa(&[1, 0, 1], &long(128)), "taken");
    assert_eq!(rsa(&[1, 0, 1], &long(127)), "ssh_key_blob", "too short for sshd");
    assert_eq!(rsa(&[1, 0, 1], &long(2048)), "taken");
    assert_eq!(rsa(&[1, 0, 1], &long(2049)), "ssh_key_blob", "too long for OpenSSH");
    assert_eq!(rsa(&[1, 0, 1], &long(128)[1..]), "ssh_key_blob", "negative");
    assert_eq!(rsa(&[0], &long(128)), "ssh_key_blob");
    assert_eq!(rsa(&[1, 0, 0], &long(128)), "ssh_key_blob");
    assert_eq!(rule(&made("ssh-ed25519", &[b"ssh-ed25519", &[7; 31]])), "ssh_key_blob");
    assert_eq!(rule(&made("ecdsa-sha2-nistp256", &[b"ecdsa-sha2-nistp256", &[7; 56]])), "ssh_key_blob");
    let sk = "sk-ssh-ed25519@openssh.com";
    assert_eq!(rule(&made(sk, &[sk.as_bytes(), &[7; 32]])), "ssh_key_blob");
}

#[test]
fn what_is_no_line_of_a_key_is_refused() {
    let blob = RSA.split(' ').nth(1).unwrap();
    for (text, wanted) in [
        (String::new(), "ssh_key_kind"),
        ("hello world".to_owned(), "ssh_key_kind"),
        (format!("command=\"x\" {ED25519}"), "ssh_key_kind"),
        (format!("no-pty {ED25519}"), "ssh_key_kind"),
        (blob.to_owned(), "ssh_key_kind"),
        (format!("ssh-dss {blob}"), "ssh_key_kind"),
        (format!("ssh-ed25519 {blob}"), "ssh_key_blob"),
        ("ssh-ed25519".to_owned(), "ssh_key_blob"),
        ("ssh-ed25519 ####".to_owned(), "ssh_key_blob"),
        (format!("{ED25519}\n{RSA}"), "ssh_key_line"),
        (format!("{ED25519}\u{2028}{RSA}"), "ssh_key_line"),
        (format!("ssh-rsa {}\n{}", &blob[..70], &blob[70..]), "ssh_key_line"),
        (format!("ssh-rsa {blob} {}", "x".repeat(SSH_KEY_MAX_OCTETS)), "ssh_key_line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "ssh_key_private"),
        (format!("---- BEGIN SSH2 PUBLIC KEY ----\n{blob}\n---- END SSH2 PUBLIC KEY ----"), "ssh_key_putty"),
    ] {
        assert_eq!(rule(&text), wanted, "{text:?}");
    }
}
