//! `dd if= of= bs= count= skip= seek= conv= status=`.
//!
//! Ours, because the published one writes nothing on WASI.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

use super::{Call, R, options, reason};

#[derive(Default)]
struct Plan {
    input: Option<String>,
    output: Option<String>,
    ibs: usize,
    obs: usize,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    conv: Vec<String>,
    iflag: Vec<String>,
    oflag: Vec<String>,
    status: String,
}

pub(crate) fn run(call: &Call<'_>) -> R {
    if call.args.first() == Some(&"--help") {
        println!(
            "Usage: dd [OPERAND]...\nCopy a file, converting and formatting according to the operands:\n  bs= ibs= obs= count= skip= seek= if= of= iflag= oflag= status=none|noxfer\n  conv=ucase,lcase,swab,notrunc,sync,noerror,excl,nocreat,fsync"
        );
        return Ok(0);
    }
    let done = Plan::parse(&call.args).and_then(|plan| plan.run());
    Ok(match done {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("dd: {message}");
            1
        }
    })
}

impl Plan {
    fn parse(args: &[&str]) -> Result<Self, String> {
        let mut plan = Self { ibs: 512, obs: 512, ..Self::default() };
        for word in args {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("unrecognized operand '{word}'"))?;
            let number = || {
                let product =
                    value.split('x').try_fold(1u64, |n, it| n.checked_mul(options::size(it)?));
                product.ok_or_else(|| format!("invalid number: '{value}'"))
            };
            let list = || value.split(',').map(str::to_owned).collect();
            match name {
                "if" => plan.input = Some(value.to_owned()),
                "of" => plan.output = Some(value.to_owned()),
                "bs" => (plan.ibs, plan.obs) = (number()? as usize, number()? as usize),
                "ibs" => plan.ibs = number()? as usize,
                "obs" => plan.obs = number()? as usize,
                "count" => plan.count = Some(number()?),
                "skip" | "iseek" => plan.skip = number()?,
                "seek" | "oseek" => plan.seek = number()?,
                "conv" => plan.conv = list(),
                "iflag" => plan.iflag = list(),
                "oflag" => plan.oflag = list(),
                "status" => plan.status = value.to_owned(),
                "cbs" => {}
                _ => return Err(format!("unrecognized operand '{word}'")),
            }
        }
        match plan.ibs.min(plan.obs) {
            0 => Err("invalid number: '0'".into()),
            _ => Ok(plan),
        }
    }

    fn converts(&self, name: &str) -> bool {
        self.conv.iter().any(|it| it == name)
    }

    fn run(&self) -> Result<(), String> {
        let started = std::time::Instant::now();
        let mut input: Box<dyn Read> = match &self.input {
            Some(file) => Box::new(self.open_input(file)?),
            None => {
                let mut stdin = io::stdin();
                let skipped = self.skip * self.ibs as u64;
                io::copy(&mut stdin.by_ref().take(skipped), &mut io::sink())
                    .map_err(|e| reason(&e))?;
                Box::new(stdin)
            }
        };
        let mut output: Box<dyn Write> = match &self.output {
            Some(file) => Box::new(self.open_output(file)?),
            None => Box::new(io::stdout()),
        };
        let (full, partial, bytes) = self.copy(input.as_mut(), output.as_mut())?;
        output.flush().map_err(|e| format!("writing: {}", reason(&e)))?;
        self.report((full, partial), bytes, started.elapsed().as_secs_f64());
        Ok(())
    }

    fn open_input(&self, file: &str) -> Result<File, String> {
        let failed = |e: io::Error| format!("failed to open '{file}': {}", reason(&e));
        let mut input = File::open(file).map_err(failed)?;
        let offset = if self.iflag.iter().any(|it| it == "skip_bytes") {
            self.skip
        } else {
            self.skip * self.ibs as u64
        };
        if offset > 0 && input.seek(SeekFrom::Start(offset)).is_err() {
            io::copy(&mut Read::by_ref(&mut input).take(offset), &mut io::sink())
                .map_err(failed)?;
        }
        Ok(input)
    }

    fn open_output(&self, file: &str) -> Result<File, String> {
        let failed = |e: io::Error| format!("failed to open '{file}': {}", reason(&e));
        let offset = if self.oflag.iter().any(|it| it == "seek_bytes") {
            self.seek
        } else {
            self.seek * self.obs as u64
        };
        let appends = self.oflag.iter().any(|it| it == "append");
        let mut opening = File::options();
        opening.write(true).create(!self.converts("nocreat")).append(appends);
        opening.create_new(self.converts("excl"));
        let mut output = opening.open(file).map_err(failed)?;
        if !self.converts("notrunc") && !appends && output.set_len(offset).is_err() && offset > 0 {
            return Err(format!("failed to truncate to {offset} bytes in output file '{file}'"));
        }
        if offset > 0 {
            output.seek(SeekFrom::Start(offset)).map_err(failed)?;
        }
        Ok(output)
    }

    /// Full and partial records that were read, and bytes written.
    fn copy(
        &self,
        input: &mut dyn Read,
        output: &mut dyn Write,
    ) -> Result<(u64, u64, u64), String> {
        let counts_bytes = self.iflag.iter().any(|it| it == "count_bytes");
        let fills = self.iflag.iter().any(|it| it == "fullblock");
        let (mut full, mut partial, mut bytes) = (0, 0, 0);
        let mut block = vec![0; self.ibs];
        let mut left = self.count.map(|n| if counts_bytes { n } else { n * self.ibs as u64 });
        let mut blocks_left = self.count.filter(|_| !counts_bytes);
        while left != Some(0) && blocks_left != Some(0) {
            let want = left.map_or(self.ibs, |n| (n.min(self.ibs as u64)) as usize);
            let mut n = 0;
            while n < want {
                let read = input.read(&mut block[n..want]);
                let read = read.map_err(|e| format!("error reading: {}", reason(&e)))?;
                n += read;
                if read == 0 || !fills {
                    break;
                }
            }
            if n == 0 {
                break;
            }
            left = left.map(|it| it - n as u64);
            blocks_left = blocks_left.map(|it| it - 1);
            *(if n == self.ibs { &mut full } else { &mut partial }) += 1;
            if self.converts("sync") {
                block[n..].fill(0);
                n = self.ibs;
            }
            self.convert(&mut block[..n]);
            output.write_all(&block[..n]).map_err(|e| format!("error writing: {}", reason(&e)))?;
            bytes += n as u64;
        }
        Ok((full, partial, bytes))
    }

    fn convert(&self, block: &mut [u8]) {
        if self.converts("ucase") {
            block.make_ascii_uppercase();
        }
        if self.converts("lcase") {
            block.make_ascii_lowercase();
        }
        if self.converts("swab") {
            block.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        }
    }

    fn report(&self, (full, partial): (u64, u64), bytes: u64, seconds: f64) {
        if self.status == "none" {
            return;
        }
        let obs = self.obs as u64;
        let (full_out, partial_out) = if self.ibs == self.obs {
            (full, partial)
        } else {
            (bytes / obs, u64::from(bytes % obs > 0))
        };
        eprintln!("{full}+{partial} records in\n{full_out}+{partial_out} records out");
        if self.status != "noxfer" {
            let human = match bytes {
                0..=999 => String::new(),
                _ => format!(" ({}, {})", decimal(bytes), binary(bytes)),
            };
            let unit = if bytes == 1 { "byte" } else { "bytes" };
            let rate = decimal((bytes as f64 / seconds.max(1e-9)) as u64);
            eprintln!("{bytes} {unit}{human} copied, {seconds:.6} s, {rate}/s");
        }
    }
}

fn decimal(bytes: u64) -> String {
    scaled(bytes as f64, 1000., &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

fn binary(bytes: u64) -> String {
    scaled(bytes as f64, 1024., &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 10.);
    format!("{value:.digits$} {}", units[unit])
}
