//! Settings of a session in PostgreSQL: those a statement may look at, and those it may change.
//! The session's next tenant finds them as they were.

/// Settings that say how the server is set up for everybody. Sorted.
const SHOWN: &[&str] = &[
    "block_size",
    "client_encoding",
    "datestyle",
    "integer_datetimes",
    "intervalstyle",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "max_identifier_length",
    "search_path",
    "server_encoding",
    "server_version",
    "server_version_num",
    "standard_conforming_strings",
    "statement_timeout",
    "transaction_isolation",
    "transaction_read_only",
];

/// Settings that change how a statement is computed, and never what it may touch, how long it may
/// take, how its text is cut or how its values are written. Sorted.
const CHANGED: &[&str] = &[
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "default_statistics_target",
    "effective_cache_size",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "from_collapse_limit",
    "geqo",
    "geqo_threshold",
    "hash_mem_multiplier",
    "jit",
    "jit_above_cost",
    "join_collapse_limit",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "random_page_cost",
    "seq_page_cost",
    "synchronize_seqscans",
    "timezone",
    "work_mem",
];

/// Whether a setting may be looked at. `name` is folded.
pub(super) fn is_shown(name: &str) -> bool {
    SHOWN.binary_search(&name).is_ok() || is_changed(name)
}

/// Whether a setting may be changed. `name` is folded.
pub(super) fn is_changed(name: &str) -> bool {
    CHANGED.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_hold_no_wall_of_the_session() {
        assert!(SHOWN.is_sorted() && CHANGED.is_sorted());
        for name in [
            "role",
            "session_authorization",
            "search_path",
            "statement_timeout",
            "standard_conforming_strings",
            "default_transaction_read_only",
            "transaction_read_only",
            "row_security",
            "session_replication_role",
            "application_name",
            "temp_tablespaces",
            "bytea_output",
            "datestyle",
        ] {
            assert!(!is_changed(name), "{name}");
        }
        for name in ["data_directory", "hba_file", "ssl_key_file", "primary_conninfo", "config_file"] {
            assert!(!is_shown(name), "{name}");
        }
    }
}
