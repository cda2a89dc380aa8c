//! Compiles the contracts; protox is pure Rust, so no `protoc` is needed.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

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
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(&descriptors, compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .skip_protoc_run()
        .file_descriptor_set_path(&descriptors)
        .compile_well_known_types(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
