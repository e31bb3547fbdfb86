// C++: a rule with its state as an object, statuses as exceptions. `vector [learning rate]`
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "numoptim.h"

class Adam {
public:
    Adam(std::size_t size, double learning_rate) : m(size), v(size)
    {
        hyper.learning_rate = learning_rate;
    }

    void step(std::vector<double> &w, const std::vector<double> &g)
    {
        if (w.size() != m.size() || g.size() != m.size())
            throw std::invalid_argument("weights, gradient and state differ in size");
        const int32_t status = numoptim_adam_f64(static_cast<int64_t>(w.size()), w.data(), g.data(), m.data(),
                                                 v.data(), &hyper, ++t);
        if (status != NUMOPTIM_OK)
            throw std::invalid_argument(numoptim_strerror(status));
    }

private:
    numoptim_adam hyper = NUMOPTIM_ADAM_DEFAULT;
    std::vector<double> m, v;
    int64_t t = 0;
};

int main(int argc, char **argv)
try {
    const std::vector<double> target = { 1.0, -2.0, 0.5 };
    std::vector<double> w(target.size()), g(target.size());
    Adam adam(w.size(), argc > 1 ? std::atof(argv[1]) : 0.05);
    for (int k = 0; k < 2000; k++) {
        for (std::size_t i = 0; i < w.size(); i++)
            g[i] = 2 * (w[i] - target[i]);
        adam.step(w, g);
    }
    for (const double x : w)
        std::cout << x << ' ';
    std::cout << '\n';
} catch (const std::exception &error) {
    std::cerr << "vector: " << error.what() << '\n';
    return 1;
}
