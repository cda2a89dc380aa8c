//! Compiles the contracts, and the checks of their field constraints. protox is pure Rust; `protoc` is needed only by the
//! crate that carries the constraint types.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let mut files = Vec::new();
    for service in fs::read_dir(root.join("laurel"))? {
        for file in fs::read_dir(service?.path().join("v1"))? {
            files.push(file?.path());
        }
    }
    files.sort();
    println!("cargo:rerun-if-changed={}", root.display());

    let mut compiler = protox::Compiler::new([root.clone(), root.join("third_party")])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    // the encoded form keeps custom options, which the prost-types form loses
    let encoded = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &encoded)?;

    let mut messages = compiler.file_descriptor_set();
    // only options of the contracts; nobody sends them
    messages.file.retain(|file| file.package() != "buf.validate");
    let mut config = tonic_prost_build::Config::new();
    // so that a message leads to its descriptor
    config.enable_type_names();
    tonic_prost_build::configure()
        .skip_protoc_run()
        .codec_path("crate::codec::CheckingCodec")
        .compile_well_known_types(false)
        .compile_fds_with_config(messages, config)?;
    prost_protovalidate_build::Builder::new()
        .file_descriptor_set_bytes(encoded.clone())
        .extern_path(".buf.validate", "::prost_protovalidate")
        .extern_path(".google.protobuf", "::prost_types")
        .fail_on_runtime_only(true)
        .compile()?;
    let validators = bounded(&fs::read_to_string(out.join("validate_impl.rs"))?)?;
    fs::write(out.join("checked.rs"), checked(&encoded, &validators)?)?;
    fs::write(out.join("validators.rs"), validators)?;
    Ok(())
}

/// The generated checks, with loops over items that end when enough breaches are known: a message of the largest size has
/// millions of items, and a breach takes a hundred times the memory of the item.
fn bounded(validators: &str) -> Result<String, Box<dyn Error>> {
    const ENOUGH: &str = "if violations.len() >= crate::codec::ENOUGH { break; }";
    let mut code = String::new();
    for line in validators.lines() {
        let loops = line.trim_start().starts_with("for (") && line.contains("self.");
        if loops && !line.ends_with('{') {
            return Err(format!("a loop of a form that is not known: {line}").into());
        }
        writeln!(code, "{line}{}", if loops { ENOUGH } else { "" })?;
    }
    Ok(code)
}

/// `Checked` for what methods take and return: with the constraints of what they take, where there are any.
fn checked(descriptors: &[u8], validators: &str) -> Result<String, Box<dyn Error>> {
    let set = prost_types::FileDescriptorSet::decode(descriptors)?;
    let methods = || set.file.iter().flat_map(|f| &f.service).flat_map(|s| &s.method);
    let requests: BTreeSet<&str> = methods().map(prost_types::MethodDescriptorProto::input_type).collect();
    let responses: BTreeSet<&str> = methods().map(prost_types::MethodDescriptorProto::output_type).collect();
    let mut code = String::new();
    for name in requests.union(&responses) {
        let path = name.trim_start_matches('.').replace('.', "::");
        // a long header stands on two lines
        let constrained = requests.contains(name) && validators.contains(&format!("for {path} {{"));
        let body = if constrained {
            "fn check(&self) -> Result<(), ::prost_protovalidate::ValidationError> {\
             ::prost_protovalidate::Validate::validate(self) }"
        } else {
            ""
        };
        writeln!(code, "impl crate::codec::Checked for crate::{path} {{ {body} }}")?;
    }
    Ok(code)
}
