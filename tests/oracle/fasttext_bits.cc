// Asks the C++ fastText and prints its numbers as the bits of the float, so that they can be compared exactly.
//
//   g++ -std=c++17 -O3 -I FASTTEXT fasttext_bits.cc $(ls FASTTEXT/*.cc | grep -v main.cc) -o fasttext_bits -pthread
//
// FASTTEXT is the folder `src` of fastText 0.9.3. Without `-march`, so that multiplications and additions stay apart.
//
//   fasttext_bits MODEL lines FILE K THRESHOLD   labels of each line, read as the command line tool reads
//   fasttext_bits MODEL texts FILE K THRESHOLD   labels of each line, read as the Python binding reads
//   fasttext_bits MODEL words FILE               the vector of each line, taken as one word
//   fasttext_bits MODEL vectors FILE             the vector of each line, taken as a text
//   fasttext_bits MODEL save FILE                the model, written again
//   fasttext_bits MODEL time FILE K ROUNDS       processor seconds for the labels of all lines, shortest of ROUNDS

#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "fasttext.h"

using namespace fasttext;
using Predictions_ = std::vector<std::pair<real, std::string>>;

static void bits(real value, const char* before) {
  uint32_t number;
  std::memcpy(&number, &value, 4);
  std::printf("%s%08x", before, number);
}

static void print(const Predictions_& predictions) {
  bool first = true;
  for (const auto& prediction : predictions) {
    std::printf("%s%s", first ? "" : " ", prediction.second.c_str());
    bits(prediction.first, " ");
    first = false;
  }
  std::printf("\n");
}

static void print(Vector& vector) {
  for (int64_t i = 0; i < vector.size(); i++) {
    bits(vector[i], i ? " " : "");
  }
  std::printf("\n");
}

int main(int count, char** arguments) {
  if (count < 4) {
    std::fprintf(stderr, "usage: fasttext_bits MODEL lines|texts|words|vectors|save|time FILE …\n");
    return 2;
  }
  FastText model;
  model.loadModel(arguments[1]);
  std::string mode = arguments[2];
  if (mode == "save") {
    model.saveModel(arguments[3]);
    return 0;
  }
  int32_t k = count > 4 ? std::atoi(arguments[4]) : 1;
  std::ifstream file(arguments[3], std::ifstream::binary);
  std::stringstream all;
  all << file.rdbuf();
  Predictions_ predictions;
  if (mode == "time") {
    double best = 1e9, sum = 0;
    size_t lines = 0;
    for (int round = 0; round < std::atoi(arguments[5]); round++) {
      all.clear();
      all.seekg(0);
      lines = 0;
      std::clock_t start = std::clock();
      while (model.predictLine(all, predictions, k, 0)) {
        lines++;
        sum += predictions.empty() ? 0 : predictions[0].first;
      }
      best = std::min(best, double(std::clock() - start) / CLOCKS_PER_SEC);
    }
    std::printf("%zu lines %.4f s sum %.6f\n", lines, best, sum);
    return 0;
  }
  real threshold = count > 5 ? std::atof(arguments[5]) : 0;
  if (mode == "lines") {
    while (model.predictLine(all, predictions, k, threshold)) {
      print(predictions);
    }
    return 0;
  }
  Vector vector(model.getDimension());
  std::string line;
  while (std::getline(all, line)) {
    if (mode == "words") {
      model.getWordVector(vector, line);
      print(vector);
    } else if (mode == "vectors") {
      std::stringstream text(line + "\n");
      model.getSentenceVector(text, vector);
      print(vector);
    } else {
      std::stringstream text(line + "\n");
      model.predictLine(text, predictions, k, threshold);
      print(predictions);
    }
  }
}
