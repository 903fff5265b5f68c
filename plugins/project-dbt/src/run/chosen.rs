//! Sets of nodes as a command hands them to its attempts: one bit for each node of the manifest.
//!
//! In: a text like `128:AQID`. Out: ids. The number says how many nodes there are, in all sections that
//! can be selected, by id; each character behind it stands for six of them, the first in its lowest bit.
//! Never: names a node that the manifest does not have.
//! Fails: with a sentence, where text and manifest do not fit together.
//! Source: `docs/adr/0019-results-for-later-tasks.md`; `cofferdam dbt` writes them.

/// The characters of a set, by their value.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The ids of a set, of all of the manifest's in their order.
///
/// # Errors
/// Where the set is of other nodes.
pub(crate) fn read<'a>(text: &str, ids: &[&'a str]) -> Result<Vec<&'a str>, String> {
    let misfit = || "what the run says of its nodes is no set of them".to_owned();
    let (count, digits) = text.split_once(':').ok_or_else(misfit)?;
    if count.parse() != Ok(ids.len()) || digits.len() != ids.len().div_ceil(6) {
        return Err(format!("the run speaks of {count} nodes; the release has {}", ids.len()));
    }
    let mut chosen = Vec::new();
    for (at, digit) in digits.bytes().enumerate() {
        let bits = DIGITS.iter().position(|known| *known == digit).ok_or_else(misfit)?;
        let six = ids.iter().skip(at * 6).take(6).enumerate();
        chosen.extend(six.filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, id)| *id));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_names_the_nodes_whose_bits_are_set() {
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(read("8:BA", &ids), Ok(vec!["a"]));
        assert_eq!(read("8:/C", &ids), Ok(vec!["a", "b", "c", "d", "e", "f", "h"]));
        assert_eq!(read("8:AA", &ids), Ok(Vec::new()));
        for wrong in ["", "8", "7:AA", "8:A", "8:A!", "8:AAA", "x:AA"] {
            assert!(read(wrong, &ids).is_err(), "{wrong}");
        }
    }
}
