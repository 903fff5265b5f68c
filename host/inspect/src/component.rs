//! Reading a component's outermost imports and exports, everything validated.

use cofferdam_ids::{ByteCount, Sha256Digest};
use serde::Serialize;
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Parser, Payload, ValidPayload, Validator, WasmFeatures,
};

use crate::refused::InspectRefused;

/// Bytes of one component.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;
/// Core modules and components inside one component.
pub const MODULES_MAX: u32 = 50;

/// What the runner's engine accepts, and nothing more.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::COMPONENT_MODEL);

/// A component that was read and is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Its length.
    pub bytes: u64,
    /// What it imports, names with versions, sorted.
    pub imports: Vec<String>,
    /// What it exports, names with versions, sorted.
    pub exports: Vec<String>,
    /// Core modules and components inside it.
    pub modules: u32,
}

/// Reads and validates a component. Says nothing yet of worlds: [`Inspected::check`] does.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, InspectRefused> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        let (size, limit) = (ByteCount(bytes.len() as u64), ByteCount(COMPONENT_BYTES_MAX as u64));
        return Err(InspectRefused::TooLarge { size, limit });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(InspectRefused::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(InspectRefused::NotAComponent);
    }
    let invalid = |e: wasmparser::BinaryReaderError| InspectRefused::Invalid { why: e.to_string() };
    let mut validator = Validator::new_with_features(FEATURES);
    let mut allocations = wasmparser::FuncValidatorAllocations::default();
    let (mut depth, mut modules) = (0_u32, 0_u32);
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        if matches!(payload, Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) {
            depth += 1;
            modules += 1;
            if modules > MODULES_MAX {
                return Err(InspectRefused::TooManyModules { limit: MODULES_MAX });
            }
        }
        match validator.payload(&payload).map_err(invalid)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(invalid)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        match payload {
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(invalid)?;
                    // A type imported by itself brings no function; everything else must be an interface.
                    let interface = matches!(import.ty, ComponentTypeRef::Instance(_));
                    if !interface {
                        return Err(InspectRefused::UnknownImport {
                            name: import.name.name.to_owned(),
                            nearest: None,
                        });
                    }
                    imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    imports.sort();
    exports.sort();
    Ok(Inspected { sha256: Sha256Digest::of(bytes), bytes: bytes.len() as u64, imports, exports, modules })
}
