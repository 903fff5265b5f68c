//! What the server says, in cases a guest can branch on.
//!
//! Never: hands on values of rows, the user's host, or paths of the server. MySQL puts them into
//! its messages, so only those known to hold names alone go on as they are.
//! Source: MariaDB, "MariaDB Error Code Reference"; MySQL, "Server Error Message Reference".

use cofferdam_call::Refusal;

use super::{connection::Problem, read::ServerError, wire::Broken};
use crate::refusals;

/// A transaction was chosen to end a deadlock, and is undone.
pub(super) const DEADLOCK: u16 = 1213;
/// No such table.
pub(super) const NO_TABLE: u16 = 1146;
/// No such database.
pub(super) const NO_DATABASE: u16 = 1049;
/// No such thread, where one is to be ended.
pub(super) const NO_THREAD: u16 = 1094;

/// Whether the user lacks a right.
pub(super) fn is_denied(error: &ServerError) -> bool {
    matches!(error.code, 1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1410)
}

/// For the guest.
pub(super) fn of(problem: Problem) -> Refusal {
    match problem {
        Problem::Server(error) => refusal(&error),
        Problem::Broken(broken) => Broken::refusal(broken),
    }
}

/// A login that failed.
pub(super) fn login(error: &ServerError) -> Refusal {
    match error.code {
        1045 | 1698 | 1130 | 3118 | 4151 => {
            refusals::login("the server refuses the gateway's user or its password")
        }
        1044 | 1049 => refusals::login("the gateway's user may not use its database, or there is none"),
        1820 | 1862 => refusals::login("the password of the gateway's user has expired"),
        _ => refusal(error),
    }
}

/// An error of the server's.
pub(super) fn refusal(error: &ServerError) -> Refusal {
    let code = error.code;
    match code {
        DEADLOCK | 1020 | 1614 => {
            refusals::conflict("another transaction stood in the way, and this one was undone; try again")
        }
        1205 | 3572 | 1099 => refusals::busy("another transaction holds what the statement needs; try again"),
        1040 | 1203 | 1226 | 1461 => refusals::busy("the server has too many connections or statements open"),
        1062 | 1169 | 1586 | 1022 | 1859 => refusals::constraint(duplicate(&error.message)),
        1048 | 1216 | 1217 | 1364 | 1451 | 1452 | 1263 | 1557 | 3819 | 4025 => {
            refusals::constraint(&error.message)
        }
        1142 | 1143 | 1370 => refusals::permission(denied(&error.message)),
        1044 | 1045 | 1227 | 1410 | 1290 | 1698 => {
            refusals::permission("the gateway's user lacks the right to do that in the warehouse")
        }
        1792 => refusals::permission("the session only reads; open one in mode `write`"),
        1836 => refusals::permission("the warehouse only reads at this time"),
        1317 | 1927 | 1180 => {
            refusals::interrupted("the statement was stopped in the warehouse; cancel confirmed")
        }
        1969 | 3024 => refusals::interrupted(
            "the statement took longer than the gateway's `statement_timeout_s`; cancel confirmed",
        ),
        1021 | 1114 | 3 | 1026 | 28 | 1878 => {
            refusals::disk_full("the warehouse's disk or tablespace is full")
        }
        1037 | 1038 | 1041 | 1104 | 1153 | 1301 | 1390 => {
            refusals::limit(format!("the statement meets a limit of the warehouse (MySQL error {code})"))
        }
        1033..=1035
        | 1053
        | 1077
        | 1079
        | 1129
        | 1152
        | 1158..=1161
        | 1184
        | 1194
        | 1195
        | 1218
        | 2006
        | 2013 => refusals::unavailable(format!("the warehouse ends, or is damaged (MySQL error {code})")),
        1295 => refusals::not_one("the server does not take this statement as a prepared one"),
        1366 | 1292 | 1411 | 1525 | 1367 => refusals::invalid(without_value(&error.message)),
        _ if HOLDS_NAMES.contains(&code) => refusals::invalid(&error.message),
        _ => refusals::invalid(format!("the warehouse refuses the statement (MySQL error {code})")),
    }
}

/// Errors whose words hold names and pieces of the statement, but no values of rows.
const HOLDS_NAMES: [u16; 50] = [
    1046, 1050, 1051, 1052, 1054, 1055, 1056, 1057, 1058, 1059, 1060, 1061, 1063, 1064, 1065, 1066, 1067,
    1068, 1069, 1070, 1071, 1072, 1074, 1075, 1090, 1091, 1101, 1103, 1109, 1110, 1111, 1115, 1118, 1125,
    1136, 1140, 1146, 1149, 1166, 1222, 1241, 1242, 1247, 1248, 1264, 1265, 1305, 1406, 1425, 1582,
];

/// `Duplicate entry 'value' for key 'name'`.
fn duplicate(message: &str) -> String {
    match message.rsplit_once(" for key ") {
        Some((_, key)) => format!("a row with the same value of key {key} is there already"),
        None => "a row with the same value of a unique key is there already".to_owned(),
    }
}

/// `SELECT command denied to user 'reader'@'10.0.0.7' for table `shop`.`t``.
fn denied(message: &str) -> String {
    let what = message.split_once(" to user ").map(|(what, _)| what);
    let whereto = message.split_once("' for ").map(|(_, whereto)| whereto);
    match (what, whereto) {
        (Some(what), Some(whereto)) => format!("the warehouse says: {what} for {whereto}"),
        _ => "the gateway's user lacks the right to do that in the warehouse".to_owned(),
    }
}

/// `Incorrect integer value: '4111' for column `shop`.`t`.`a` at row 1`.
fn without_value(message: &str) -> String {
    let Some((before, rest)) = message.split_once(": '") else {
        return "a value is not of the column's type".to_owned();
    };
    let behind = rest.rsplit_once("' for ").map(|(_, behind)| format!(" for {behind}"));
    format!("{before}{}", behind.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use cofferdam_call::FailureKind;

    use super::*;

    fn of_server(code: u16, message: &str) -> Refusal {
        refusal(&ServerError { code, message: message.to_owned() })
    }

    #[test]
    fn messages_keep_names_and_lose_values_and_hosts() {
        for (code, message, expected) in [
            (
                1062,
                "Duplicate entry '4111 for key' for key 'PRIMARY'",
                "CD0302: a row with the same value of key 'PRIMARY' is there already",
            ),
            (
                1142,
                "SELECT command denied to user 'reader'@'10.0.0.7' for table `shop`.`t`",
                "CD0303: the warehouse says: SELECT command denied for table `shop`.`t`",
            ),
            (
                1366,
                "Incorrect integer value: '4111' for column `shop`.`t`.`a` at row 1",
                "CD0301: Incorrect integer value for column `shop`.`t`.`a` at row 1",
            ),
            (1292, "Truncated incorrect DOUBLE value: '4111'", "CD0301: Truncated incorrect DOUBLE value"),
            (1105, "canary", "CD0301: the warehouse refuses the statement (MySQL error 1105)"),
            (1054, "Unknown column 'x' in 'field list'", "CD0301: Unknown column 'x' in 'field list'"),
        ] {
            assert_eq!(of_server(code, message).to_string(), expected);
        }
    }

    #[test]
    fn every_sort_of_failure_has_its_case() {
        for (code, kind) in [
            (1213, FailureKind::Transient),
            (1205, FailureKind::Transient),
            (1062, FailureKind::Constraint),
            (1452, FailureKind::Constraint),
            (1142, FailureKind::Permission),
            (1044, FailureKind::Permission),
            (1064, FailureKind::Invalid),
            (3024, FailureKind::Cancelled),
            (1969, FailureKind::Cancelled),
            (1317, FailureKind::Cancelled),
            (1021, FailureKind::Unavailable),
            (1114, FailureKind::Unavailable),
            (1153, FailureKind::Limit),
            (1053, FailureKind::Unavailable),
            (2006, FailureKind::Unavailable),
            (2013, FailureKind::Unavailable),
        ] {
            assert_eq!(of_server(code, "x").kind, kind, "{code}");
        }
    }
}
