//! Fused training kernels with their own backward: SIMD on the CPU, plain burn operations everywhere else.
