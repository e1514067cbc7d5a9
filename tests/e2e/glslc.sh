#!/bin/sh
# Stands for glslc while tests build llama.cpp for Vulkan: of 3,000 shaders it compiles those that
# the tests' models need, of weights in F32, F16, Q4_1 and Q8_0, for devices without extensions. All
# others become a word that is no shader: a device refuses it where one is needed after all.
case "$*" in
    *feature-tests*)
        for name in KHR_cooperative_matrix NV_cooperative_matrix2 \
            NV_cooperative_matrix_decode_vector EXT_integer_dot_product EXT_bfloat16 \
            EXT_float_e2m1 EXT_float_e4m3; do
            echo "extension not supported: GL_$name" >&2
        done
        exit 1 ;;
esac
made='' list='' before=''
for word; do
    case "$before" in
        -o) made=$word ;;
        -MF) list=$word ;;
    esac
    before=$word
done
case "${made##*/}" in
    *iq[1-4]_* | *tq[12]_* | *q[23456]_k* | *q[12]_0* | *q5_[01]* | *fp4* | *bf16* | *matmul_id*)
        printf none >"$made"
        [ -z "$list" ] || echo "$made:" >"$list" ;;
    *) exec /usr/bin/glslc "$@" ;;
esac
