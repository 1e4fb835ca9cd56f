use super::*;
use crate::checkpoint::Signer;
use crate::merkle::Run;

const SIZE: u64 = 21;

struct Log {
    signer: Signer,
    records: Vec<(String, String)>,
}

impl Log {
    /// Records of three organizations in turn.
    fn new() -> Self {
        let record = |index: u64| {
            let organization = format!("o{}", index % 3);
            let text =
                format!(r#"{{"index":{index},"organization_id":"{organization}","organization_index":{}}}"#, index / 3);
            (organization, text)
        };
        let signer = Signer::new("log", &Signer::generate().unwrap()).unwrap();
        Self { signer, records: (0..SIZE).map(record).collect() }
    }

    fn verifier(&self) -> Verifier {
        Verifier::new(&self.signer.verifier_key()).unwrap()
    }

    fn root(&self, size: u64) -> Hash {
        let mut edge = Edge::default();
        self.records[..usize::try_from(size).unwrap()]
            .iter()
            .for_each(|(_, record)| edge.push(leaf_hash(record.as_bytes())));
        edge.root()
    }

    fn note(&self, size: u64) -> String {
        self.signer.sign(size, &self.root(size), "2026-11-25T12:00:00Z")
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        self.verifier().open(&self.note(size)).unwrap()
    }

    /// As the server exports for one organization, or for all.
    fn export(&self, size: u64, of: Option<&str>, boundary: u64) -> Vec<Line> {
        let mut lines = vec![Line::Checkpoint { note: self.note(size) }];
        let mut run = Run::new(0);
        for (index, (organization, record)) in (0..).zip(&self.records[..usize::try_from(size).unwrap()]) {
            let shown = of.is_none_or(|of| of == organization);
            if shown || index == boundary {
                let done = std::mem::replace(&mut run, Run::new(index + u64::from(shown)));
                lines.extend(done.finish().into_iter().map(|(from, subtree)| Line::subtree(from, subtree)));
            }
            if shown {
                lines.push(Line::Record { index, record: record.clone() });
            } else {
                run.push(leaf_hash(record.as_bytes()));
            }
        }
        lines.extend(run.finish().into_iter().map(|(from, subtree)| Line::subtree(from, subtree)));
        lines
    }

    fn verify(&self, lines: &[Line], earlier: Option<&Checkpoint>) -> Result<Verified, ExportError> {
        let verifier = self.verifier();
        let mut verification = Verification::new(&verifier, earlier);
        for line in lines {
            verification.line(&serde_json::to_string(line).unwrap())?;
        }
        verification.finish()
    }
}

#[test]
fn whole_exports_and_those_of_one_organization_verify() {
    let log = Log::new();
    for size in 0..=SIZE {
        let all = log.verify(&log.export(size, None, 0), None).unwrap();
        assert_eq!(all.shown.values().sum::<u64>(), size);
        let own = log.verify(&log.export(size, Some("o1"), 0), None).unwrap();
        assert_eq!((own.checkpoint.size, own.shown.get("o1").copied().unwrap_or(0)), (size, (size + 1) / 3));
    }
    assert!(log.export(SIZE, Some("none"), 0).len() < 8, "what is not shown is folded");
}

#[test]
fn every_change_is_found() {
    let log = Log::new();
    let lines = log.export(SIZE, None, 0);
    let changed = |at: usize, change: fn(&mut Line)| {
        let mut lines = lines.clone();
        change(&mut lines[at]);
        log.verify(&lines, None).unwrap_err()
    };
    for at in 1..lines.len() {
        let edited = changed(at, |line| {
            let Line::Record { record, .. } = line else { panic!("a record") };
            *record = record.replacen("{", "{ ", 1);
        });
        assert_eq!(edited, ExportError::Root);
        let mut without = lines.clone();
        without.remove(at);
        assert!(matches!(log.verify(&without, None), Err(ExportError::Gap { .. } | ExportError::Size { .. })));
        let mut swapped = lines.clone();
        swapped.swap(at, (at % (lines.len() - 1)) + 1);
        assert!(log.verify(&swapped, None).is_err());
    }
    assert_eq!(log.verify(&lines[1..], None), Err(ExportError::Checkpoint(1)));
    assert_eq!(log.verify(&[], None), Err(ExportError::Checkpoint(1)));
}

#[test]
fn a_record_hidden_from_its_own_organization_is_found() {
    let log = Log::new();
    let mut lines = log.export(SIZE, Some("o1"), 0);
    let at = lines.iter().position(|line| matches!(line, Line::Record { index: 4, .. })).unwrap();
    let Line::Record { record, .. } = &lines[at] else { unreachable!() };
    lines[at] = Line::subtree(4, Subtree { level: 0, hash: leaf_hash(record.as_bytes()) });
    let hidden = ExportError::Hidden { organization: "o1".into(), expected: 1, found: 2, index: 7 };
    assert_eq!(log.verify(&lines, None), Err(hidden));
}

#[test]
fn a_later_log_extends_an_earlier_one_or_is_refused() {
    let mut log = Log::new();
    let earlier = log.checkpoint(13);
    for of in [None, Some("o2")] {
        log.verify(&log.export(SIZE, of, 13), Some(&earlier)).unwrap();
    }
    let unaligned = log.export(SIZE, Some("none"), 0);
    assert_eq!(log.verify(&unaligned, Some(&earlier)), Err(ExportError::NoBoundary { size: 13 }));
    let cut = log.export(9, None, 0);
    assert_eq!(log.verify(&cut, Some(&earlier)), Err(ExportError::Shrunk { earlier: 13, later: 9 }));
    // Rewritten and signed anew with the real key: whoever kept the earlier checkpoint sees it.
    log.records[5].1 = log.records[5].1.replacen("\"index\"", "\"Index\"", 1);
    let rewritten = log.export(SIZE, None, 13);
    assert!(log.verify(&rewritten, None).is_ok());
    assert_eq!(log.verify(&rewritten, Some(&earlier)), Err(ExportError::Rewritten { size: 13 }));
}
