//! The Arrow helpers: what goes in comes back, and bytes from outside give batches or an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, StringArray, types::Int32Type,
};
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::Schema;
use cofferdam_sdk::{
    Column, DataType, Failure, Table, Value,
    arrow::{FRAME_BYTES_MAX, FrameReader, FrameWriter, batch, columns, frames, rows, schema},
    read_all,
    testing::MemoryRows,
};
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};

/// A column of every type, and a row that holds something in each.
fn kinds() -> (Vec<Column>, Vec<Value>) {
    let kinds: Vec<(DataType, Value)> = vec![
        (DataType::Boolean, true.into()),
        (DataType::Int64, i64::MIN.into()),
        (DataType::Float64, (-0.1).into()),
        (DataType::Decimal { precision: 5, scale: 2 }, "-0.05".into()),
        (DataType::Decimal { precision: 38, scale: 0 }, "-99999999999999999999999999999999999999".into()),
        (DataType::Decimal { precision: 76, scale: 70 }, format!("123456.{:0>70}", 1).into()),
        (DataType::Text, "käse\0".into()),
        (DataType::Bytes, vec![0_u8, 255].into()),
        (DataType::Date, "1899-12-31".into()),
        (DataType::Time, "23:59:59.999999".into()),
        (DataType::Timestamp, "2013-01-01 05:15:00".into()),
        (DataType::TimestampUtc, "1969-12-31 23:59:59.999999Z".into()),
    ];
    let columns =
        kinds.iter().enumerate().map(|(index, (of, _))| Column::new(format!("c{index}"), of.clone()));
    (columns.collect(), kinds.into_iter().map(|(_, value)| value).collect())
}

fn read(frames: &[Vec<u8>]) -> Result<Vec<Vec<Value>>, Failure> {
    let mut reader = FrameReader::new();
    let mut all = Vec::new();
    for frame in frames {
        for batch in reader.read(frame)? {
            all.append(&mut rows(&batch)?);
        }
    }
    Ok(all)
}

/// A stream as another program writes it.
fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn refused(frame: &[u8]) -> String {
    let failure = FrameReader::new().read(frame).unwrap_err();
    assert!(matches!(failure, Failure::Invalid(_)));
    failure.to_string()
}

#[test]
fn a_row_of_every_type_comes_back() {
    let (columns_, row) = kinds();
    let nulls = vec![Value::Null; row.len()];
    let table = vec![row, nulls];
    let made = batch(&columns_, &table).unwrap();
    assert_eq!(columns(made.schema_ref()).unwrap(), columns_);
    assert_eq!(read(&frames(&made).unwrap()).unwrap(), table);
}

#[test]
fn text_is_read_as_its_column_asks_for() {
    let columns = [
        Column::new("truth", DataType::Boolean),
        Column::new("whole", DataType::Int64),
        Column::new("real", DataType::Float64),
        Column::new("exact", DataType::Decimal { precision: 4, scale: 2 }),
        Column::new("words", DataType::Text),
    ];
    let row = vec!["TRUE".into(), " 12 ".into(), "1e3".into(), "7".into(), 5.into()];
    let back = rows(&batch(&columns, &[row]).unwrap()).unwrap();
    assert_eq!(back, [[true.into(), 12.into(), 1000.0.into(), "7.00".into(), "5".into()]]);
}

#[test]
fn a_value_that_does_not_fit_is_named_with_row_and_column() {
    let fails = |of: DataType, value: Value| {
        let column = [Column::new("c", of).not_null()];
        batch(&column, &[vec![value]]).unwrap_err().to_string()
    };
    assert_eq!(
        fails(DataType::Int64, "1.5".into()),
        "CD0991: row 1, column `c`: `1.5` is not a whole number"
    );
    assert_eq!(fails(DataType::Text, Value::Null), "CD0991: row 1, column `c`: NULL may not stand there");
    assert_eq!(
        fails(DataType::Decimal { precision: 4, scale: 2 }, "100.00".into()),
        "CD0991: row 1, column `c`: `100.00` is not a number of at most 4 digits, 2 of them behind the point"
    );
    assert_eq!(
        fails(DataType::Date, "2023-02-29".into()),
        "CD0991: row 1, column `c`: `2023-02-29` is not a day as YYYY-MM-DD"
    );
    for (of, value) in [
        (DataType::Boolean, "yes".into()),
        (DataType::Int64, 1.0.into()),
        (DataType::Decimal { precision: 4, scale: 2 }, "1.005".into()),
        (DataType::Decimal { precision: 4, scale: 2 }, "--1".into()),
        (DataType::Decimal { precision: 4, scale: 2 }, ".".into()),
        (DataType::Decimal { precision: 4, scale: 2 }, f64::NAN.into()),
        (DataType::Bytes, 1.into()),
        (DataType::Time, 1.into()),
    ] {
        assert!(fails(of, value).starts_with("CD0991: "));
    }
    let failure = batch(&[Column::new("c", DataType::Int64)], &[vec![]]).unwrap_err();
    assert_eq!(failure.to_string(), "CD0991: row 1 has 0 values for 1 columns");
    let impossible = DataType::Decimal { precision: 77, scale: 0 };
    assert!(batch(&[Column::new("c", impossible)], &[vec![1.into()]]).is_err());
}

#[test]
fn a_large_batch_is_cut_into_frames_of_at_most_1_mib() {
    let column = [Column::new("words", DataType::Text)];
    let table: Vec<_> =
        (0..300).map(|row| vec![Value::Text(format!("{row}{}", "x".repeat(10_000)))]).collect();
    let frames_ = frames(&batch(&column, &table).unwrap()).unwrap();
    assert!(frames_.len() > 3);
    assert!(frames_.iter().all(|frame| frame.len() <= FRAME_BYTES_MAX));
    assert_eq!(read(&frames_).unwrap(), table);

    let one = vec![vec![Value::Text("x".repeat(FRAME_BYTES_MAX))]];
    let failure = frames(&batch(&column, &one).unwrap()).unwrap_err();
    assert_eq!(failure.to_string(), "CD0992: a single row does not fit into a frame of 1 MiB");
}

#[test]
fn a_result_without_rows_still_has_its_schema() {
    let (columns_, _) = kinds();
    let mut reader = FrameReader::new();
    for frame in FrameWriter::new(schema(&columns_)).finish().unwrap() {
        assert!(reader.read(&frame).unwrap().is_empty());
    }
    assert_eq!(columns(&reader.schema().unwrap()).unwrap(), columns_);
    assert_eq!(read(&frames(&batch(&columns_, &[]).unwrap()).unwrap()).unwrap(), Vec::<Vec<Value>>::new());
}

#[test]
fn a_stream_of_another_program_is_read_whole_and_nothing_behind_its_end() {
    let (columns_, row) = kinds();
    let bytes = stream(&batch(&columns_, std::slice::from_ref(&row)).unwrap());
    let mut reader = FrameReader::new();
    let batches = reader.read(&bytes).unwrap();
    assert_eq!(rows(&batches[0]).unwrap(), [row]);
    assert!(
        reader.read(&bytes).unwrap_err().to_string().ends_with("a frame came after the end of the stream")
    );

    let mut more = bytes.clone();
    more.push(0);
    assert_eq!(refused(&more), "CD0990: bytes follow the end of the stream");
}

#[test]
fn a_frame_that_is_not_whole_is_refused_wherever_it_is_cut() {
    let (columns_, row) = kinds();
    let whole = frames(&batch(&columns_, &[row]).unwrap()).unwrap();
    for (index, frame) in whole.iter().enumerate() {
        for length in 0..frame.len() {
            let mut reader = FrameReader::new();
            for before in &whole[..index] {
                reader.read(before).unwrap();
            }
            assert!(reader.read(&frame[..length]).is_err(), "{length} bytes of frame {index}");
            assert!(reader.read(frame).is_err(), "a broken stream stays broken");
        }
    }
}

#[test]
fn a_length_that_lies_is_refused() {
    let column = [Column::new("n", DataType::Int64)];
    let whole = frames(&batch(&column, &[vec![1.into()], vec![2.into()]]).unwrap()).unwrap();
    // The length of the head.
    for length in [0_u32, 1, 8, u32::MAX, i32::MAX as u32] {
        let mut frame = whole[0].clone();
        frame[4..8].copy_from_slice(&length.to_le_bytes());
        assert!(FrameReader::new().read(&frame).is_err(), "{length}");
    }
    // Every other number of the batch's head, in turn.
    let head = u32::from_le_bytes(whole[1][4..8].try_into().unwrap()) as usize;
    for at in 8..8 + head {
        for value in [0_u8, 1, 0x7f, 0x80, 0xff] {
            let mut frame = whole[1].clone();
            frame[at] = value;
            let mut reader = FrameReader::new();
            reader.read(&whole[0]).unwrap();
            if let Ok(batches) = reader.read(&frame) {
                assert!(batches.iter().all(|batch| batch.num_rows() <= 2 * 64));
            }
        }
    }
    assert_eq!(
        refused(&vec![0xff; FRAME_BYTES_MAX + 1]),
        "CD0990: the frame is 1048577 bytes long; the limit is 1 MiB"
    );
}

#[test]
fn what_the_contracts_do_not_have_is_refused() {
    let single = |array: ArrayRef| RecordBatch::try_from_iter([("c", array)]).unwrap();
    let nested = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    assert_eq!(
        refused(&stream(&single(Arc::new(nested)))),
        "CD0990: column `c` is nested; frames carry flat columns only"
    );
    let dictionary: DictionaryArray<Int32Type> = ["a", "a"].into_iter().collect();
    assert_eq!(
        refused(&stream(&single(Arc::new(dictionary)))),
        "CD0990: column `c` is a dictionary; frames carry plain columns only"
    );
    let narrow = arrow_array::Int8Array::from(vec![1]);
    assert_eq!(
        refused(&stream(&single(Arc::new(narrow)))),
        "CD0990: column `c` has a type of the kind Int that no frame may carry"
    );
    let zoned = arrow_array::TimestampMicrosecondArray::from(vec![1]).with_timezone("Europe/Berlin");
    assert!(refused(&stream(&single(Arc::new(zoned)))).contains("no frame may carry"));
    let empty = StreamWriter::try_new(Vec::new(), &Schema::empty()).unwrap().into_inner().unwrap();
    assert_eq!(refused(&empty), "CD0990: the schema has 0 columns; 1 to 2000 may be");

    let old = IpcWriteOptions::try_new(8, false, arrow_ipc::MetadataVersion::V4).unwrap();
    let plain = single(Arc::new(Int64Array::from(vec![1])));
    let old = StreamWriter::try_new_with_options(Vec::new(), plain.schema_ref(), old)
        .unwrap()
        .into_inner()
        .unwrap();
    assert_eq!(refused(&old), "CD0990: the message is not of metadata version 5");
}

#[test]
fn a_compressed_body_is_refused() {
    // Written by hand: the library at hand is built without a compressor.
    let column = [Column::new("n", DataType::Int64)];
    let whole = frames(&batch(&column, &[vec![1.into()]]).unwrap()).unwrap();
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let nodes = builder.create_vector(&[arrow_ipc::FieldNode::new(1, 0)]);
    let buffers = builder.create_vector(&[arrow_ipc::Buffer::new(0, 0), arrow_ipc::Buffer::new(0, 64)]);
    let compression = arrow_ipc::BodyCompression::create(
        &mut builder,
        &arrow_ipc::BodyCompressionArgs {
            codec: arrow_ipc::CompressionType::ZSTD,
            method: arrow_ipc::BodyCompressionMethod::BUFFER,
        },
    );
    let head = arrow_ipc::RecordBatch::create(
        &mut builder,
        &arrow_ipc::RecordBatchArgs {
            length: 1,
            nodes: Some(nodes),
            buffers: Some(buffers),
            compression: Some(compression),
            variadicBufferCounts: None,
        },
    );
    let message = arrow_ipc::Message::create(
        &mut builder,
        &arrow_ipc::MessageArgs {
            version: arrow_ipc::MetadataVersion::V5,
            header_type: arrow_ipc::MessageHeader::RecordBatch,
            header: Some(head.as_union_value()),
            bodyLength: 64,
            custom_metadata: None,
        },
    );
    builder.finish(message, None);
    let head = builder.finished_data();
    let mut frame = vec![0xff; 4];
    frame.extend_from_slice(&u32::try_from(head.len()).unwrap().to_le_bytes());
    frame.extend_from_slice(head);
    frame.extend_from_slice(&[0; 64]);

    let mut reader = FrameReader::new();
    reader.read(&whole[0]).unwrap();
    let failure = reader.read(&frame).unwrap_err();
    assert_eq!(failure.to_string(), "CD0990: the body is compressed; frames carry plain bodies only");
}

#[test]
fn rows_before_the_schema_or_after_another_are_refused() {
    let column = [Column::new("n", DataType::Int64)];
    let whole = frames(&batch(&column, &[vec![1.into()]]).unwrap()).unwrap();
    assert_eq!(refused(&whole[1]), "CD0990: rows came before the schema");
    assert_eq!(refused(&[whole[0].clone(), whole[0].clone()].concat()), "CD0990: a second schema came");

    let other = [Column::new("n", DataType::Text)];
    let other = frames(&batch(&other, &[vec!["x".into()]]).unwrap()).unwrap();
    let mut reader = FrameReader::new();
    reader.read(&whole[0]).unwrap();
    assert!(reader.read(&other[1]).is_err());

    let mut writer = FrameWriter::new(schema(&column));
    assert!(
        writer
            .write(&RecordBatch::try_from_iter([("n", Arc::new(StringArray::from(vec!["x"])) as _)]).unwrap())
            .is_err()
    );
}

#[test]
fn small_results_become_tables_and_large_ones_are_refused() {
    let (columns_, row) = kinds();
    let table = Table::new(columns_, vec![row]);
    let back = read_all(Box::new(MemoryRows::new(table.clone()).unwrap())).unwrap();
    assert_eq!(back, table);
    assert_eq!(
        (back.scalar(), back.position("c1"), back.position("c99")),
        (Some(&true.into()), Some(1), None)
    );

    let many = vec![vec![Value::Null]; 100_001];
    let many = Table::new(vec![Column::new("n", DataType::Boolean)], many);
    let failure = read_all(Box::new(MemoryRows::new(many).unwrap())).unwrap_err();
    assert!(matches!(failure, Failure::Limit(_)), "{failure}");
}

fn values() -> impl Strategy<Value = (Option<i64>, Option<String>, Option<Vec<u8>>, Option<bool>)> {
    (any::<Option<i64>>(), any::<Option<String>>(), any::<Option<Vec<u8>>>(), any::<Option<bool>>())
}

proptest! {
    #[test]
    fn any_rows_come_back(table in prop::collection::vec(values(), 0..40)) {
        let columns = [
            Column::new("a", DataType::Int64),
            Column::new("b", DataType::Text),
            Column::new("c", DataType::Bytes),
            Column::new("d", DataType::Boolean),
        ];
        let table: Vec<Vec<Value>> =
            table.into_iter().map(|(a, b, c, d)| vec![a.into(), b.into(), c.into(), d.into()]).collect();
        prop_assert_eq!(read(&frames(&batch(&columns, &table).unwrap()).unwrap()).unwrap(), table);
    }

    #[test]
    fn any_bytes_give_batches_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = FrameReader::new().read(&bytes);
    }

    #[test]
    fn any_damage_to_a_frame_gives_batches_or_an_error(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        second in any::<bool>(),
    ) {
        let (columns, row) = kinds();
        let mut whole = frames(&batch(&columns, &[row.clone(), row]).unwrap()).unwrap();
        for (at, value) in damage {
            let frame = &mut whole[usize::from(second)];
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let _ = read(&whole);
    }
}
