use super::*;
use crate::{
    fuzz::{Case, fuzz, law},
    results::Agreement,
};

fn pack_of(folder: &Path) -> Vec<u8> {
    let mut pack = Pack::default();
    fs::write(folder.join("weights"), [7; 700]).unwrap();
    pack.add_text("plan.json", "{}\n".to_owned()).unwrap();
    pack.add_file("jobs/eval-1/samples.jsonl", &folder.join("weights"))
        .unwrap();
    pack.add_file("jobs/eval-1/not_there.jsonl", &folder.join("nothing"))
        .unwrap();
    pack.add_text("jobs/eval-1/empty", String::new()).unwrap();
    let path = folder.join("a.tar");
    let (digest, length) = pack.write(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(length, bytes.len() as u64);
    let (again, _) = pack.write(&path).unwrap();
    assert_eq!((fs::read(&path).unwrap(), again), (bytes.clone(), digest));
    bytes
}

fn read(bytes: &[u8]) -> Result<(Packed, tempfile::TempDir), PackError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    fs::write(&path, bytes).unwrap();
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    Packed::read(&path, &into).map(|packed| (packed, folder))
}

#[test]
fn a_pack_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();

    let (packed, into) = read(&pack_of(folder.path())).unwrap();

    let names: Vec<&str> = packed.manifest.names().collect();
    let samples = "jobs/eval-1/samples.jsonl";
    assert_eq!(names, ["jobs/eval-1/empty", samples, "plan.json"]);
    assert_eq!(
        fs::read(into.path().join("into").join(samples)).unwrap(),
        [7; 700]
    );
    assert!(
        packed
            .findings
            .iter()
            .all(|one| one.agreement == Agreement::Same)
    );
    assert!(is_pack(&folder.path().join("a.tar")));
    assert!(!is_pack(&folder.path().join("weights")));
}

/// No byte of a pack can be changed, taken away or added.
#[test]
fn every_flipped_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = pack_of(folder.path());
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        let is_found = match read(&flipped) {
            Err(_) => true,
            Ok((packed, _)) => {
                let found = |one: &Finding| one.agreement == Agreement::Differs;
                packed.findings.iter().any(found)
            }
        };
        assert!(is_found, "byte {place}");
    }
    assert!(read(&bytes[..bytes.len() - 1]).is_err());
    assert!(read(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_name_that_leaves_the_folder_is_refused() {
    for name in [
        "../a",
        "/a",
        "a/../b",
        "a//b",
        "a/",
        "",
        ".",
        "a\\b",
        "C:a",
        "a\0b",
        "manifest.json",
        "a/b.",
        "é",
    ] {
        assert!(
            matches!(check_name(name), Err(PackError::BadName(_))),
            "{name:?}"
        );
    }
    check_name("jobs/train-1/checkpoints/step_000100/state.json").unwrap();

    // An archive with a right manifest and such a name.
    let entry = Entry {
        bytes: 1,
        digest: Digest::of_bytes(b"x"),
    };
    let manifest = Manifest {
        format: FORMAT,
        files: BTreeMap::from([("../escaped".to_owned(), entry)]),
    };
    let text = manifest.text();
    let mut bytes = Vec::new();
    archive::begin(&mut bytes, MANIFEST, text.len() as u64).unwrap();
    bytes.extend(text.as_bytes());
    archive::pad(&mut bytes, text.len() as u64).unwrap();
    archive::begin(&mut bytes, "../escaped", 1).unwrap();
    bytes.push(b'x');
    archive::pad(&mut bytes, 1).unwrap();
    archive::end(&mut bytes).unwrap();
    assert!(matches!(read(&bytes), Err(PackError::BadName(_))));
}

#[test]
fn a_manifest_that_promises_more_than_the_archive_has_is_refused_before_anything_is_written() {
    let entry = Entry {
        bytes: u64::MAX / 2,
        digest: Digest::of_bytes(b"x"),
    };
    let manifest = Manifest {
        format: FORMAT,
        files: BTreeMap::from([("a".to_owned(), entry.clone()), ("b".to_owned(), entry)]),
    };
    let text = manifest.text();
    let mut bytes = Vec::new();
    archive::begin(&mut bytes, MANIFEST, text.len() as u64).unwrap();
    bytes.extend(text.as_bytes());
    archive::pad(&mut bytes, text.len() as u64).unwrap();
    archive::end(&mut bytes).unwrap();
    assert!(matches!(read(&bytes), Err(PackError::Damaged(_))));
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "before").unwrap();
    let content = Content::File(path.clone());
    let entry = content.entry().unwrap();
    fs::write(&path, "after!").unwrap();

    let copied = content.copy(&entry, &mut Vec::new());

    assert!(matches!(copied, Err(PackError::Changed(changed)) if changed == path));
}

#[test]
fn bytes_that_nobody_wrote_are_refused_and_write_nothing_outside() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = pack_of(folder.path());
    fuzz(100, std::slice::from_ref(&bytes), |case: &mut Case<'_>| {
        let path = case.file("a.tar");
        let into = case.folder.join("into");
        let _ = fs::remove_dir_all(&into);
        fs::create_dir(&into).map_err(|error| error.to_string())?;
        let read = Packed::read(&path, &into);
        let entries = fs::read_dir(case.folder).map_err(|error| error.to_string())?;
        law(
            entries.count() == 2,
            "nothing is written outside of the folder",
        )?;
        let Ok(packed) = read else { return Ok(()) };
        let mut findings = packed.findings.iter();
        let differs = findings.any(|one| one.agreement == Agreement::Differs);
        law(
            differs || case.bytes == bytes,
            "no other bytes are a sound pack",
        )
    });
}
