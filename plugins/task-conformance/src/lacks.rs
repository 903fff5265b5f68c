//! What an engine cannot do by its nature, so that no adapter can be blamed for it.

/// Dialect, check, reason.
const KNOWN: &[(&str, &str, &str)] = &[
    ("sqlite", "types/decimals-of-38-digits", "SQLite keeps numbers in 64 bits"),
    ("sqlite", "types/decimals-of-65-digits", "SQLite keeps numbers in 64 bits"),
    ("sqlite", "types/not-a-number", "SQLite keeps NULL instead"),
    (
        "sqlite",
        "types/a-table-made-of-a-select-keeps-its-decimals",
        "SQLite declares the columns of a select by their affinity",
    ),
    ("sqlite", "types/arrays", "SQLite has no arrays"),
    ("mysql", "types/infinities", "MySQL refuses them"),
    ("mysql", "types/not-a-number", "MySQL refuses it"),
    ("mysql", "types/arrays", "MySQL has no arrays"),
];

/// Why a check cannot be asked of an engine, none where it can. `own` are the checks the task's
/// settings name.
pub(crate) fn reason(dialect: &str, check: &str, own: &[String]) -> Option<String> {
    if own.iter().any(|name| name == check) {
        return Some("the task's setting `lacks` names it".into());
    }
    KNOWN
        .iter()
        .find(|(of, name, _)| *of == dialect && *name == check)
        .map(|(_, _, reason)| (*reason).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::GROUPS;

    #[test]
    fn every_lack_is_of_a_check_there_is() {
        for (_, name, _) in KNOWN {
            let found = GROUPS.iter().any(|group| {
                group.checks.iter().any(|(check, _)| *name == format!("{}/{check}", group.name))
            });
            assert!(found, "{name}");
        }
    }
}
