//! `gzip`, `gunzip` and `zcat`, over flate2.

use std::fs;
use std::io::{self, Read, Write};

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let (name, a) = (call.name, call.args.as_slice());
    let has = |c: char| a.iter().any(|x| x.starts_with('-') && x.contains(c));
    let unpack = name != "gzip" || has('d');
    let to_stdout = name == "zcat" || has('c');
    let files: Vec<&str> = a.iter().copied().filter(|x| !x.starts_with('-')).collect();
    let work = |r: &mut dyn Read, w: &mut dyn Write| -> io::Result<()> {
        if unpack {
            io::copy(&mut flate2::read::MultiGzDecoder::new(r), w)?;
        } else {
            let mut e = flate2::write::GzEncoder::new(w, flate2::Compression::default());
            io::copy(r, &mut e)?;
            e.finish()?;
        }
        Ok(())
    };
    if files.is_empty() {
        work(&mut io::stdin(), &mut io::stdout())?;
    }
    for f in files {
        let mut r = fs::File::open(f).map_err(|e| format!("{f}: {e}"))?;
        if to_stdout {
            work(&mut r, &mut io::stdout())?;
            continue;
        }
        let to = if unpack {
            f.strip_suffix(".gz").ok_or(format!("{f}: unknown suffix"))?.to_owned()
        } else {
            format!("{f}.gz")
        };
        work(&mut r, &mut fs::File::create(to)?)?;
        if !has('k') {
            fs::remove_file(f)?
        }
    }
    Ok(0)
}
