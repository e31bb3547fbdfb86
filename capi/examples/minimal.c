/* The smallest program: three steps of Adam. `minimal [learning rate]` */
#include <stdio.h>
#include <stdlib.h>
#include "numoptim.h"

int main(int argc, char **argv)
{
    float w[3] = { 1, 2, 3 }, m[3] = { 0 }, v[3] = { 0 };
    const float g[3] = { 0.5f, -1, 0 };
    numoptim_adam h = NUMOPTIM_ADAM_DEFAULT;
    int32_t status = NUMOPTIM_OK;
    h.learning_rate = argc > 1 ? strtod(argv[1], NULL) : 0.1;
    for (int64_t t = 1; t <= 3 && status == NUMOPTIM_OK; t++)
        status = numoptim_adam_f32(3, w, g, m, v, &h, t);
    if (status != NUMOPTIM_OK) {
        fprintf(stderr, "minimal: %s\n", numoptim_strerror(status));
        return 1;
    }
    printf("%.4f %.4f %.4f\n", (double)w[0], (double)w[1], (double)w[2]);
    return 0;
}
