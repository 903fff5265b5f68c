//! Functions a statement may call. Anything else is refused, so that a function a server has, or an
//! extension brings, is not called before somebody has looked at it.

use std::{collections::HashSet, sync::LazyLock};

use crate::reading::Dialect;

/// PostgreSQL 15 to 18, and the extensions that compute: functions that only compute, or say what the
/// catalog says, and those on sequences. Sorted.
const POSTGRES: &str = "abbrev abs aclexplode acos acosd acosh age akeys any_value area array array_agg array_append array_cat \
    array_dims array_fill array_length array_lower array_ndims array_position array_positions array_prepend \
    array_remove array_replace array_reverse array_sample array_shuffle array_sort array_to_json array_to_string \
    array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avals avg bit bit_and \
    bit_count bit_length bit_or bit_xor bool bool_and bool_or bound_box box bpchar broadcast btrim cardinality \
    casefold cbrt ceil ceiling center char char_length character_length chr cidr circle clock_timestamp coalesce \
    col_description concat concat_ws convert convert_from convert_to corr cos cosd cosh cosine_distance cot cotd \
    count covar_pop covar_samp crc32 crc32c cube cube_distance cume_dist current_catalog current_database \
    current_date current_role current_schema current_schemas current_setting current_time current_timestamp \
    current_user currval date date_add date_bin date_part date_subtract date_trunc datemultirange daterange decode \
    degrees dense_rank diagonal diameter difference digest div dmetaphone dmetaphone_alt each earth \
    earth_box earth_distance encode enum_first enum_last enum_range erf erfc every exp extract factorial \
    family first_value float4 float8 floor format format_type gamma gcd gen_random_bytes gen_random_uuid \
    generate_series generate_subscripts geography geometry get_bit get_byte get_current_ts_config greatest \
    grouping has_any_column_privilege has_column_privilege has_database_privilege has_function_privilege \
    has_language_privilege has_schema_privilege has_sequence_privilege has_table_privilege has_type_privilege \
    hashint4 hashint8 hashtext height hmac host hostmask hstore hstore_to_array hstore_to_json \
    hstore_to_json_loose hstore_to_jsonb hstore_to_jsonb_loose hstore_to_matrix idx inet inet_merge \
    inet_same_family initcap inner_product int2 int4 int4multirange int4range int8 int8multirange int8range \
    interval is_normalized isclosed isempty isfinite isopen json json_agg json_agg_strict json_array \
    json_array_element json_array_element_text json_array_elements json_array_elements_text json_array_length \
    json_arrayagg json_build_array json_build_object json_each json_each_text json_exists json_extract_path \
    json_extract_path_text json_object json_object_agg json_object_agg_strict json_object_agg_unique \
    json_object_agg_unique_strict json_object_field json_object_field_text json_object_keys json_objectagg \
    json_populate_record json_populate_recordset json_query json_scalar json_serialize json_strip_nulls \
    json_to_record json_to_recordset json_to_tsvector json_typeof json_value jsonb_agg jsonb_agg_strict \
    jsonb_array_element jsonb_array_element_text jsonb_array_elements jsonb_array_elements_text jsonb_array_length \
    jsonb_build_array jsonb_build_object jsonb_concat jsonb_contained jsonb_contains jsonb_delete \
    jsonb_delete_path jsonb_each jsonb_each_text jsonb_exists jsonb_exists_all jsonb_exists_any jsonb_extract_path \
    jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_agg_strict \
    jsonb_object_agg_unique jsonb_object_agg_unique_strict jsonb_object_field jsonb_object_field_text \
    jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query \
    jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz \
    jsonb_path_query_tz jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax \
    jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof justify_days justify_hours \
    justify_interval l1_distance l2_distance l2_normalize lag last_value lastval latitude lca lcm lead least left \
    length levenshtein levenshtein_less_equal lgamma like_escape line ll_to_earth ln localtime localtimestamp log \
    log10 longitude lower lower_inc lower_inf lpad lseg ltree2text ltrim macaddr macaddr8 make_date make_interval \
    make_time make_timestamp make_timestamptz masklen max md5 metaphone min min_scale mod mode money multirange \
    multirange_intersect multirange_minus multirange_union name netmask network nextval nlevel normal_rand \
    normalize now npoints nth_value ntile nullif num_nonnulls num_nulls numeric nummultirange numnode numrange \
    obj_description octet_length oid overlaps overlay parse_ident path pclose percent_rank percentile_cont \
    percentile_disc pg_backend_pid pg_char_to_encoding pg_client_encoding pg_collation_for pg_column_compression \
    pg_column_size pg_describe_object pg_encoding_to_char pg_function_is_visible pg_get_constraintdef pg_get_expr \
    pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result pg_get_indexdef \
    pg_get_keywords pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef \
    pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_identify_object pg_indexes_size \
    pg_input_is_valid pg_is_in_recovery pg_is_other_temp_schema pg_lsn pg_my_temp_schema pg_operator_is_visible \
    pg_partition_root pg_relation_is_updatable pg_relation_size pg_size_bytes pg_size_pretty pg_table_is_visible \
    pg_table_size pg_total_relation_size pg_type_is_visible pg_typeof phraseto_tsquery pi plainto_tsquery point \
    polygon popen position pow power querytree quote_ident quote_literal quote_nullable radians radius random \
    random_normal range_adjacent range_agg range_contains range_intersect range_intersect_agg range_merge \
    range_minus range_overlaps range_union rank regexp_count regexp_instr regexp_like regexp_match regexp_matches \
    regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count \
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row row_number \
    row_to_json rpad rtrim scale session_user set_bit set_byte set_masklen setseed setval setweight sha224 sha256 \
    sha384 sha512 shobj_description show_trgm sign similarity sin sind sinh skeys slope sort_asc \
    soundex split_part sqrt st_area st_asbinary st_asewkb st_asewkt st_asgeojson st_astext st_azimuth \
    st_boundary st_buffer st_centroid st_closestpoint st_clusterdbscan st_clusterkmeans st_clusterwithin \
    st_collect st_contains st_convexhull st_coveredby st_covers st_crosses st_difference st_dimension st_disjoint \
    st_distance st_distancesphere st_distancespheroid st_dump st_dumppoints st_dumprings st_dwithin st_endpoint \
    st_envelope st_equals st_expand st_extent st_exteriorring st_flipcoordinates st_force2d st_geogfromtext \
    st_geogfromwkb st_geographyfromtext st_geohash st_geometryfromtext st_geometryn st_geometrytype \
    st_geomfromewkb st_geomfromewkt st_geomfromgeojson st_geomfromtext st_geomfromwkb st_hausdorffdistance \
    st_hexagongrid st_intersection st_intersects st_isclosed st_isempty st_issimple st_isvalid st_isvalidreason \
    st_length st_lineinterpolatepoint st_linelocatepoint st_linemerge st_linesubstring st_m st_makebox2d \
    st_makeenvelope st_makeline st_makepoint st_makepolygon st_makevalid st_maxdistance st_multi st_npoints \
    st_numgeometries st_numpoints st_overlaps st_perimeter st_point st_pointfromtext st_pointn st_pointonsurface \
    st_polygon st_polygonfromtext st_project st_reverse st_rotate st_scale st_segmentize st_setsrid st_simplify \
    st_simplifypreservetopology st_snap st_snaptogrid st_split st_squaregrid st_srid st_startpoint st_subdivide \
    st_symdifference st_tileenvelope st_touches st_transform st_translate st_unaryunion st_union \
    st_voronoipolygons st_within st_x st_xmax st_xmin st_y st_ymax st_ymin st_z starts_with statement_timestamp \
    stddev stddev_pop stddev_samp strict_word_similarity string_agg string_to_array string_to_table strip strpos \
    subarray subltree subpath substr substring subvector sum svals tan tand tanh text text2ltree time timeofday \
    timestamp timestamptz timetz timezone to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct \
    to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole \
    to_regtype to_timestamp to_tsmultirange to_tsquery to_tsvector transaction_timestamp translate trim trim_array \
    trim_scale trunc ts_debug ts_delete ts_filter ts_headline ts_lexize ts_rank ts_rank_cd tsmultirange \
    tsquery_phrase tsrange tstzmultirange tstzrange tsvector_to_array unaccent unicode_assigned unicode_version \
    uniq unistr unnest upper upper_inc upper_inf user uuid_extract_timestamp uuid_extract_version uuid_generate_v1 \
    uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuid_nil uuid_ns_dns uuid_ns_oid \
    uuid_ns_url uuid_ns_x500 uuidv4 uuidv7 var_pop var_samp varbit varchar variance vector_dims vector_norm \
    version websearch_to_tsquery width width_bucket word_similarity xml xml_is_well_formed xmlagg xmlcomment \
    xmlconcat xmlconcat2 xmlelement xmlexists xmlforest xmlpi xmltext xpath xpath_exists";

/// MariaDB 10.11 and MySQL 8: functions that only compute. Sorted.
const MYSQL: &str = "abs acos add_months adddate addtime aes_decrypt aes_encrypt any_value ascii asin atan atan2 avg bin \
    bin_to_uuid binary bit_and bit_count bit_length bit_or bit_xor cast ceil ceiling char char_length \
    character_length charset chr coalesce coercibility collate collation column_add column_check column_create \
    column_delete column_exists column_get column_json column_list compress concat concat_ws conv convert \
    convert_tz cos cot count crc32 crc32c cume_dist curdate current_date current_role current_time \
    current_timestamp current_user curtime database date date_add date_format date_sub datediff day dayname \
    dayofmonth dayofweek dayofyear decode default degrees dense_rank des_decrypt des_encrypt div elt encode exp \
    export_set extract field find_in_set first_value floor format format_bytes found_rows from_base64 from_days \
    from_unixtime geometrycollection get_format greatest group_concat grouping hex hour if ifnull inet6_aton \
    inet6_ntoa inet_aton inet_ntoa insert instr interval is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid \
    isnull json_array json_array_append json_array_insert json_array_intersect json_arrayagg json_compact \
    json_contains json_contains_path json_depth json_detailed json_equals json_exists json_extract json_insert \
    json_key_value json_keys json_length json_loose json_merge json_merge_patch json_merge_preserve json_normalize \
    json_object json_object_filter_keys json_object_to_array json_objectagg json_overlaps json_pretty json_query \
    json_quote json_remove json_replace json_schema_valid json_schema_validation_report json_search json_set \
    json_storage_free json_storage_size json_table json_type json_unquote json_valid json_value kdf lag last_day \
    last_insert_id last_value lcase lead least left length lengthb linestring ln localtime localtimestamp log \
    log10 log2 lower lpad ltrim make_set makedate maketime max mbrcontains mbrintersects mbrwithin md5 median \
    microsecond mid min minute mod month monthname months_between multilinestring multipoint multipolygon \
    name_const natural_sort_key now nth_value ntile nullif nvl nvl2 oct octet_length ord percent_rank \
    percentile_cont percentile_disc period_add period_diff pi point polygon position pow power quarter quote \
    radians rand random_bytes rank regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse \
    right round row_count row_number rownum rpad rtrim schema sec_to_time second session_user sformat sha sha1 \
    sha2 sign sin soundex space sqrt st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_boundary \
    st_buffer st_centroid st_contains st_convexhull st_crosses st_difference st_dimension st_disjoint st_distance \
    st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring st_geohash st_geomcollfromtext \
    st_geometryfromtext st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb \
    st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_issimple st_isvalid st_latfromgeohash \
    st_latitude st_length st_linefromtext st_longfromgeohash st_longitude st_makeenvelope st_numgeometries \
    st_numinteriorrings st_numpoints st_overlaps st_pointfromgeohash st_pointfromtext st_pointn st_pointonsurface \
    st_polyfromtext st_polygonfromtext st_relate st_simplify st_srid st_startpoint st_symdifference st_touches \
    st_transform st_union st_within st_x st_y std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr \
    substring substring_index subtime sum sys_guid sysdate tan time time_format time_to_sec timediff timestamp \
    timestampadd timestampdiff to_base64 to_char to_days to_seconds trim truncate ucase uncompress \
    uncompressed_length unhex unix_timestamp upper user utc_date utc_time utc_timestamp uuid uuid_short \
    uuid_to_bin uuid_v4 uuid_v7 value values var_pop var_samp variance version week weekday weekofyear \
    weight_string year yearweek";

static POSTGRES_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| POSTGRES.split(' ').collect());
static MYSQL_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| MYSQL.split(' ').collect());

/// What a function does with the sequence it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    /// Looks at it.
    Read,
    /// Moves it.
    Write,
}

/// Whether a function may be called. `name` is folded.
pub(super) fn is_allowed(dialect: Dialect, name: &str) -> bool {
    let known: &HashSet<&str> = if dialect == Dialect::Mysql { &MYSQL_SET } else { &POSTGRES_SET };
    known.contains(name)
}

/// Whether a function takes the name of a sequence, and what it does with it.
pub(super) fn sequence_use(dialect: Dialect, name: &str) -> Option<Sequence> {
    match (dialect, name) {
        (Dialect::Postgres, "nextval" | "setval") => Some(Sequence::Write),
        (Dialect::Postgres, "currval") => Some(Sequence::Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_hold_nothing_that_reaches_further() {
        for list in [POSTGRES, MYSQL] {
            assert!(list.split(' ').is_sorted_by(|a, b| a < b) && !list.contains("  "));
        }
        for name in [
            "query_to_xml",
            "table_to_xml",
            "schema_to_xml",
            "database_to_xml",
            "cursor_to_xml",
            "ts_stat",
            "ts_rewrite",
            "dblink",
            "dblink_exec",
            "lo_import",
            "lo_export",
            "lo_get",
            "pg_read_file",
            "pg_ls_dir",
            "pg_sleep",
            "set_config",
            "pg_terminate_backend",
            "pg_notify",
            "pg_advisory_lock",
            "pg_get_functiondef",
            "inet_server_addr",
            "crosstab",
            "txid_current",
            "pg_stat_file",
            "pg_export_snapshot",
            "xmlparse",
            "lo_from_bytea",
        ] {
            assert!(!is_allowed(Dialect::Postgres, name), "{name}");
        }
        for name in [
            "load_file",
            "sleep",
            "benchmark",
            "get_lock",
            "release_lock",
            "sys_exec",
            "sys_eval",
            "sys_get",
            "extractvalue",
            "updatexml",
            "master_pos_wait",
            "connection_id",
            "nextval",
            "setval",
            "lastval",
            "is_used_lock",
        ] {
            assert!(!is_allowed(Dialect::Mysql, name), "{name}");
        }
    }
}
