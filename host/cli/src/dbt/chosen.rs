//! Sets of nodes, as attempts are told of them: one bit for each node of the manifest.
//!
//! In: ids. Out: a text like `128:AQID`. The number says how many nodes can be selected at all; each
//! character behind it stands for six of them, by id, the first in its lowest bit.
//! Never: grows with the length of names: a parameter of a run is short.
//! Fails: not at all: what does not fit is not said.
//! Source: `docs/adr/0019-results-for-later-tasks.md`; tasks of dbt's format read it.

use std::collections::BTreeSet;

use super::manifest::Manifest;

/// The characters of a set, by their value.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Bytes of a set: what the parameter takes.
const SET_BYTES_MAX: usize = 4_000;

/// The set of these nodes; none where the project has more than fit.
pub(super) fn set(manifest: &Manifest, chosen: &BTreeSet<&str>) -> Option<String> {
    let mut ids: Vec<&str> = manifest.all().map(|node| node.unique_id.as_str()).collect();
    ids.sort_unstable();
    let mut text = format!("{}:", ids.len());
    for six in ids.chunks(6) {
        let bit = |(bit, id): (usize, &&str)| usize::from(chosen.contains(id)) << bit;
        let bits: usize = six.iter().enumerate().map(bit).sum();
        text.push(char::from(*DIGITS.get(bits)?));
    }
    (text.len() <= SET_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_says_of_six_nodes_whether_they_are_chosen() {
        let nodes: Vec<String> =
            (b'a'..=b'h').map(|c| format!("\"{0}\":{{\"unique_id\":\"{0}\"}}", char::from(c))).collect();
        let text = format!("{{\"nodes\":{{{}}}}}", nodes.join(","));
        let manifest = Manifest::read("it", text.as_bytes()).unwrap();
        assert_eq!(set(&manifest, &BTreeSet::from(["a"])).as_deref(), Some("8:BA"));
        assert_eq!(
            set(&manifest, &BTreeSet::from(["a", "b", "c", "d", "e", "f", "h"])).as_deref(),
            Some("8:/C")
        );
        assert_eq!(set(&manifest, &BTreeSet::new()).as_deref(), Some("8:AA"));
        assert_eq!(set(&Manifest::read("it", b"{}").unwrap(), &BTreeSet::new()).as_deref(), Some("0:"));
    }
}
