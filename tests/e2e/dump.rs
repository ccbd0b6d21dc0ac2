//! `ownkey dump`

use std::process::Command;

use crate::home::{Home, run};

fn bytes(home: &Home, arguments: &[&str]) -> Vec<u8> {
    let output = home
        .command(arguments)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn a_file_comes_out_as_it_was_also_with_json() {
    let home = Home::with_snapshot();
    let file = format!("latest:{}", home.text("src/deep/er/file"));
    assert_eq!(bytes(&home, &["dump", &file]), vec![7u8; 100_000]);
    assert_eq!(
        bytes(
            &home,
            &["--json", "dump", "latest", &home.text("src/notes.txt")]
        ),
        b"to remember\n"
    );
}

#[test]
fn a_folder_comes_out_as_a_tar_that_tar_reads() {
    let home = Home::with_snapshot();
    let part = format!("latest:{}", home.text("src"));
    std::fs::write(home.path("src.tar"), bytes(&home, &["dump", &part])).expect("a file");
    std::fs::create_dir(home.path("out")).expect("a folder");
    let unpacked = Command::new("tar")
        .args(["-xf", &home.text("src.tar"), "-C", &home.text("out")])
        .output();
    if unpacked.is_err() {
        eprintln!("skipped: there is no tar");
        return;
    }
    let differs = Command::new("diff")
        .args(["-r", &home.text("src"), &home.text("out")])
        .output()
        .expect("diff");
    assert!(differs.status.success(), "{differs:?}");
    assert_eq!(
        std::fs::read_link(home.path("out/link")).expect("the link"),
        std::path::Path::new("notes.txt")
    );
}

#[test]
fn a_folder_comes_out_as_a_zip() {
    let home = Home::with_snapshot();
    let part = format!("latest:{}", home.text("src"));
    let zip = bytes(&home, &["dump", "--archive", "zip", &part]);
    assert!(zip.starts_with(b"PK\x03\x04"));
    std::fs::write(home.path("src.zip"), zip).expect("a file");
    let script = "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                  assert z.read('notes.txt')==b'to remember\\n'\nassert len(z.read('deep/er/file'))==100000";
    match Command::new("python3")
        .args(["-c", script, &home.text("src.zip")])
        .output()
    {
        Ok(read) => assert!(read.status.success(), "{read:?}"),
        Err(_) => eprintln!("skipped reading it with another program: there is no python3"),
    }
}

#[test]
fn what_is_not_there_is_an_error_and_not_an_empty_file() {
    let home = Home::with_snapshot();
    let failed = home
        .run(&["dump", "latest:/no/such/file"])
        .ended(1)
        .well_said();
    assert!(failed.out.is_empty());
    let failed = run(&mut home.command(&["--json", "dump", "nope:/x"])).ended(1);
    assert!(
        failed.out.is_empty(),
        "errors keep away from the content: {}",
        failed.out
    );
}
