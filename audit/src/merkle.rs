//! Merkle tree hashing as in RFC 6962, section 2.1, appended to from the left.

use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// Hash of a leaf: `SHA-256(0x00 || data)`.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// Hash of an inner node: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A perfect subtree: the hash over `2^level` neighbouring leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// Height; a leaf has 0.
    pub level: u8,
    /// Hash of its root.
    pub hash: Hash,
}

/// Why a subtree does not fit where it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subtree of {leaves} leaves cannot begin at leaf {at}")]
pub struct Misplaced {
    /// Its leaves.
    pub leaves: u64,
    /// Where it was to begin.
    pub at: u64,
}

/// The right edge of a tree: what is needed to append to it and to know its root, in at most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    /// Perfect subtrees from left to right, each higher than the next.
    subtrees: Vec<Subtree>,
    size: u64,
}

impl Edge {
    /// The edge of a tree of `size` leaves from the hashes of its perfect subtrees, left to right;
    /// `None` where their number does not fit the size.
    pub fn from_hashes(size: u64, hashes: &[Hash]) -> Option<Self> {
        let levels = (0..64u8).rev().filter(|level| size >> level & 1 == 1);
        let subtrees: Vec<_> = levels.zip(hashes).map(|(level, hash)| Subtree { level, hash: *hash }).collect();
        (usize::try_from(size.count_ones()) == Ok(hashes.len())).then_some(Self { subtrees, size })
    }

    /// The hashes of its perfect subtrees, left to right.
    pub fn hashes(&self) -> Vec<Hash> {
        self.subtrees.iter().map(|subtree| subtree.hash).collect()
    }

    /// Leaves so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.merge(Subtree { level: 0, hash: leaf });
    }

    /// Appends all leaves of a perfect subtree at once.
    pub fn push_subtree(&mut self, subtree: Subtree) -> Result<(), Misplaced> {
        let leaves = 1u64.checked_shl(subtree.level.into()).unwrap_or(0);
        if leaves == 0 || !self.size.is_multiple_of(leaves) {
            return Err(Misplaced { leaves, at: self.size });
        }
        self.merge(subtree);
        Ok(())
    }

    fn merge(&mut self, mut subtree: Subtree) {
        self.size += 1 << subtree.level;
        while let Some(left) = self.subtrees.pop_if(|last| last.level == subtree.level) {
            subtree = Subtree { level: subtree.level + 1, hash: node_hash(&left.hash, &subtree.hash) };
        }
        self.subtrees.push(subtree);
    }

    /// Root of the tree; of an empty one the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut from_right = self.subtrees.iter().rev();
        let Some(last) = from_right.next() else { return Sha256::digest([]).into() };
        from_right.fold(last.hash, |right, left| node_hash(&left.hash, &right))
    }
}

/// Folds a run of leaves that begins at leaf `at` into as few perfect subtrees as can stand there.
#[derive(Debug)]
pub struct Run {
    at: u64,
    subtrees: Vec<Subtree>,
}

impl Run {
    /// A run that begins at leaf `at`.
    pub const fn new(at: u64) -> Self {
        Self { at, subtrees: Vec::new() }
    }

    /// The next leaf's hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut subtree = Subtree { level: 0, hash: leaf };
        let end = self.at + self.leaves() + 1;
        // Two neighbours of one level are halves of one subtree only if that begins at its multiple.
        while let Some(left) = self.subtrees.last().copied()
            && left.level == subtree.level
            && end.is_multiple_of(2 << subtree.level)
        {
            self.subtrees.pop();
            subtree = Subtree { level: subtree.level + 1, hash: node_hash(&left.hash, &subtree.hash) };
        }
        self.subtrees.push(subtree);
    }

    fn leaves(&self) -> u64 {
        self.subtrees.iter().map(|subtree| 1u64 << subtree.level).sum()
    }

    /// Its subtrees, left to right, each with the leaf it begins at.
    pub fn finish(self) -> Vec<(u64, Subtree)> {
        let mut at = self.at;
        let placed = self.subtrees.into_iter().map(|subtree| {
            let begins = at;
            at += 1 << subtree.level;
            (begins, subtree)
        });
        placed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of RFC 6962 word for word.
    fn by_definition(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => leaf_hash(leaf),
            _ => {
                let k = 1 << (usize::BITS - 1 - (leaves.len() - 1).leading_zeros());
                node_hash(&by_definition(&leaves[..k]), &by_definition(&leaves[k..]))
            }
        }
    }

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn published_roots() {
        // From the test data of Certificate Transparency: these eight leaves.
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let mut edge = Edge::default();
        assert_eq!(hex(&edge.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for leaf in leaves {
            let bytes: Vec<u8> =
                (0..leaf.len()).step_by(2).map(|at| u8::from_str_radix(&leaf[at..at + 2], 16).unwrap()).collect();
            edge.push(leaf_hash(&bytes));
            if edge.size() == 1 {
                assert_eq!(hex(&edge.root()), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
            }
        }
        assert_eq!(hex(&edge.root()), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    proptest! {
        #[test]
        fn appending_gives_the_defined_root(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..70)) {
            let mut edge = Edge::default();
            for leaf in &leaves {
                edge.push(leaf_hash(leaf));
            }
            prop_assert_eq!(edge.root(), by_definition(&leaves));
            let kept = Edge::from_hashes(edge.size(), &edge.hashes());
            prop_assert_eq!(kept, Some(edge));
        }

        #[test]
        fn runs_of_hashes_stand_for_their_leaves(size in 0usize..150, cuts in prop::collection::btree_set(0usize..150, 0..8)) {
            let leaves: Vec<Hash> = (0..size as u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let mut whole = Edge::default();
            leaves.iter().for_each(|leaf| whole.push(*leaf));
            let mut folded = Edge::default();
            let mut run = Run::new(0);
            for (at, leaf) in leaves.iter().enumerate() {
                if cuts.contains(&at) {
                    for (begins, subtree) in std::mem::replace(&mut run, Run::new(at as u64 + 1)).finish() {
                        prop_assert_eq!(begins, folded.size());
                        folded.push_subtree(subtree).unwrap();
                    }
                    folded.push(*leaf);
                } else {
                    run.push(*leaf);
                }
            }
            let tail = run.finish();
            prop_assert!(tail.len() <= 2 * 8, "as few as can stand there");
            for (_, subtree) in tail {
                folded.push_subtree(subtree).unwrap();
            }
            prop_assert_eq!(folded, whole);
        }
    }

    #[test]
    fn a_subtree_stands_only_at_its_multiple() {
        let mut edge = Edge::default();
        edge.push([0; 32]);
        let misplaced = edge.push_subtree(Subtree { level: 1, hash: [1; 32] });
        assert_eq!(misplaced, Err(Misplaced { leaves: 2, at: 1 }));
        assert!(edge.push_subtree(Subtree { level: 64, hash: [1; 32] }).is_err());
        assert_eq!(edge.size(), 1);
    }
}
