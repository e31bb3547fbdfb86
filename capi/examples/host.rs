// Rust without crates: declarations by hand, a status as a Result. `host [learning rate]`
use std::ffi::CStr;
use std::os::raw::c_char;

#[repr(C)]
struct Adam {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    wd: f64,
    rescale_grad: f64,
    clip_gradient: f64,
}

extern "C" {
    fn numoptim_adam_f32(size: i64, w: *mut f32, g: *const f32, m: *mut f32, v: *mut f32, h: *const Adam, t: i64) -> i32;
    fn numoptim_strerror(status: i32) -> *const c_char;
}

fn step(w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], h: &Adam, t: i64) -> Result<(), String> {
    assert!(g.len() == w.len() && m.len() == w.len() && v.len() == w.len());
    // Sound: the slices are of one length and, being borrowed so, do not overlap.
    let status = unsafe { numoptim_adam_f32(w.len() as i64, w.as_mut_ptr(), g.as_ptr(), m.as_mut_ptr(), v.as_mut_ptr(), h, t) };
    if status == 0 {
        return Ok(());
    }
    Err(unsafe { CStr::from_ptr(numoptim_strerror(status)) }.to_string_lossy().into_owned())
}

fn main() -> Result<(), String> {
    let rate = std::env::args().nth(1).unwrap_or("0.1".into());
    let h = Adam {
        learning_rate: rate.parse().map_err(|_| format!("expected a learning rate, not {rate:?}"))?,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        wd: 0.0,
        rescale_grad: 1.0,
        clip_gradient: f64::INFINITY,
    };
    let (mut w, g) = ([1.0f32, 2.0, 3.0], [0.5f32, -1.0, 0.0]);
    let (mut m, mut v) = ([0.0f32; 3], [0.0f32; 3]);
    for t in 1..=3 {
        step(&mut w, &g, &mut m, &mut v, &h, t)?;
    }
    println!("{:.4} {:.4} {:.4}", w[0], w[1], w[2]);
    Ok(())
}
