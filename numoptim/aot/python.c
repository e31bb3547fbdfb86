/*
 * What Python calls past cffi, which gives up the interpreter's lock around every call: that takes longer than the step
 * of a small buffer.
 */

static int integers(PyObject *const *given, Py_ssize_t count, Py_ssize_t wanted, int64_t *values)
{
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "expected %zd integers", wanted);
        return 0;
    }
    for (Py_ssize_t k = 0; k < count; k++)
        values[k] = PyLong_AsLongLong(given[k]);
    return !PyErr_Occurred();
}

/* call(entry, plan, t), of a plan without elements. */
static PyObject *python_check(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    int64_t values[3];
    (void)module;
    return integers(given, count, 3, values) ? PyLong_FromLong(call(values[0], values[1], values[2])) : NULL;
}

/* step(record, t) */
static PyObject *python_step(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    int64_t values[2];
    int32_t status;
    (void)module;
    if (!integers(given, count, 2, values))
        return NULL;
    if (((const step_record *)values[0])->small)
        return PyLong_FromLong(step(values[0], values[1]));
    Py_BEGIN_ALLOW_THREADS
    status = step(values[0], values[1]);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}

/* repeat(record, ticket), of a small record: no thread comes in between. */
static PyObject *python_repeat(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    int64_t values[2];
    (void)module;
    return integers(given, count, 2, values) ? PyLong_FromLong(repeat(values[0], values[1])) : NULL;
}

static PyMethodDef functions[] = {
    {"check", (PyCFunction)(void (*)(void))python_check, METH_FASTCALL, NULL},
    {"repeat", (PyCFunction)(void (*)(void))python_repeat, METH_FASTCALL, NULL},
    {"step", (PyCFunction)(void (*)(void))python_step, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL}
};

/* Makes them functions of the module; returns 0 where it could. */
static int32_t expose(void)
{
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject *const module = PyImport_AddModule("numoptim._native");
    const int failed = module == NULL || PyModule_AddFunctions(module, functions) != 0;
    PyErr_Clear();
    PyGILState_Release(state);
    return failed;
}
